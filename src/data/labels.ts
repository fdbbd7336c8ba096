// Orders class labels: the one order that decides which class is 1 and what a content digest says.

/** Compares by Unicode code point, which is not JavaScript's own order beyond U+FFFF. */
export function compareCodePoints(a: string, b: string): number {
  const left = a[Symbol.iterator]();
  const right = b[Symbol.iterator]();
  for (;;) {
    const x = left.next();
    const y = right.next();
    if (x.done || y.done) return Number(Boolean(y.done)) - Number(Boolean(x.done));
    const difference = x.value.codePointAt(0)! - y.value.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
}
