// Which columns a command reads, and which choice would work where the one that was made does not.
import { CsvError } from "../data/csv-error.ts";

/** Flags that choose columns, under their names. */
export interface ColumnFlags {
  readonly label: string;
  readonly positive?: string | undefined;
  readonly features?: readonly string[] | undefined;
  readonly drop?: readonly string[] | undefined;
}

/** A label column may turn out to be wrong, and then text in the features: one proposal each, and one to spare. */
const PROPOSALS_MAX = 3;

/** The columns that an error proposes; undefined when it proposes none. */
function proposedBy(error: unknown, columns: ColumnFlags): ColumnFlags | undefined {
  if (!(error instanceof CsvError)) return undefined;
  const { drop, label } = error.fix;
  if (!drop && !label) return undefined;
  const { features } = columns;
  return {
    ...columns,
    ...(label && { label }),
    ...(drop && features && { features: features.filter((name) => !drop.includes(name)) }),
    ...(drop && !features && { drop: [...(columns.drop ?? []), ...drop] }),
  };
}

/**
 * The columns with which a file can be read: what the error proposes, tried out, and what comes of that.
 *
 * @param error of reading `columns`
 * @param read reads the file; rejects when that fails
 * @returns undefined when no proposal works
 */
export async function columnsThatWork(
  columns: ColumnFlags,
  error: unknown,
  read: (columns: ColumnFlags) => Promise<unknown>,
): Promise<ColumnFlags | undefined> {
  let proposed = proposedBy(error, columns);
  for (let tries = 0; proposed !== undefined && tries < PROPOSALS_MAX; tries++) {
    const tried = proposed;
    try {
      await read(tried);
      return tried;
    } catch (next) {
      proposed = proposedBy(next, tried);
    }
  }
  return undefined;
}
