// Which of some names was probably meant.

/** Edits (letters put in, left out or exchanged) that turn one word into another. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + Number(a[i - 1] !== b[j - 1]);
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, substitution));
    }
    previous = row;
  }
  return previous[b.length]!;
}

/** The name nearest to a word when it is near enough: equal but for case and blanks, or a third of its letters off. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const plain = (text: string) => text.trim().toLowerCase().slice(0, 64);
  let best: string | undefined;
  let least = Math.floor(Math.max(word.length, 3) / 3) + 1;
  for (const name of names) {
    const edits = distance(plain(word), plain(name));
    if (edits < least) {
      least = edits;
      best = name;
    }
  }
  return best;
}
