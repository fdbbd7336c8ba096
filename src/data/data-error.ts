// What is wrong with data, as opposed to a wrong call or a fault of ours.

/** A table that cannot become a dataset, or rows that a model cannot read. */
export class DataError extends SyntaxError {
  override readonly name: string = "DataError";
}
