// How a value from outside is shown in a message: short, and unable to drive a terminal.

const SHOWN_LENGTH = 64;

/** Characters that nobody sees or that change how others are shown: controls, direction marks, line separators. */
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** At most 64 characters of a text, and a mark if there were more. A copy: a slice would keep the whole text alive. */
export function cut(text: string): string {
  const characters = Array.from(text.slice(0, 2 * SHOWN_LENGTH + 2));
  if (characters.length <= SHOWN_LENGTH + 1 && characters.at(SHOWN_LENGTH) === "…") {
    return characters.join(""); // it was cut before
  }
  if (characters.length <= SHOWN_LENGTH) return characters.join("");
  return `${characters.slice(0, SHOWN_LENGTH).join("")}…`;
}

/** A value for a message: quoted, cut, what cannot be seen escaped. */
export function shown(value: string): string {
  return JSON.stringify(cut(value)).replace(UNSEEN, (character) => {
    const hex = character.codePointAt(0)!.toString(16);
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`;
  });
}

/** A text of any length on its way to a terminal: control characters, which could move the cursor, become visible. */
export function plain(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}]/gu,
    (char) => `\\u${char.codePointAt(0)!.toString(16).padStart(4, "0")}`,
  );
}
