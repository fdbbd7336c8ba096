// What to throw where there is no model; by itself, since every command knows it and few read models.

/** There is no such model, or not yet. The message says what to type. */
export class NoModelError extends Error {
  override readonly name: string = "NoModelError";
}
