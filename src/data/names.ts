// Which names of columns, labels and levels a model file can hold.

/** Most characters (code points) of a column's name or a label. */
export const NAME_MAX = 1024;

export function isNameTooLong(name: string): boolean {
  // A code point has at most two units, so most names need no counting.
  return name.length > NAME_MAX && Array.from(name).length > NAME_MAX;
}

/** Control characters but tab and line feed, which a quoted name may hold. */
export const CONTROL = /(?![\t\n])\p{Cc}/u;
