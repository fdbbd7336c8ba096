// How a value from outside stands in HTML: as text, whatever it holds.

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text in HTML. What cannot be seen, or moves the writing direction, is shown as its number. */
export function escapeHtml(text: string): string {
  return text
    .replace(/[&<>"']/g, (character) => ESCAPES[character]!)
    .replace(
      /[\p{Cf}\u2028\u2029]/gu,
      (character) => `&lt;U+${character.codePointAt(0)!.toString(16).toUpperCase()}&gt;`,
    );
}
