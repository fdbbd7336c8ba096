// Which texts may name a thing, and which of them may become a part of a path. All are checked before any join. And what a
// store is called where nobody names one.

const DEFAULT_STORE = "miniflow";

/** The store that is meant where none is named. */
export function defaultStore(): string {
  return process.env.RAISIN_STORE || DEFAULT_STORE;
}

const SAFE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)(?!$)){0,63}$/;

/** Whether a text can stand as a directory name without leaving its parent: letters, digits, dots inside, `-` and `_`. */
export function isSafeName(name: string): boolean {
  return SAFE_NAME.test(name);
}

/** Whether a text has the shape of a run id, 12 hex digits. */
export function isRunId(id: string): boolean {
  return /^[0-9a-f]{12}$/.test(id);
}

export const NAME_MAX = 250;

/**
 * Whether a text can name a model, an experiment, a run, a parameter, a metric or a tag: 1 to 250 characters, none of them
 * a control character, no blank at either end. Names live inside files, so everything else is fine.
 */
export function isName(name: string): boolean {
  return (
    name.length > 0 && name.length <= NAME_MAX && !/\p{Cc}/u.test(name) && name.trim() === name
  );
}

/** @throws RangeError saying what a name must be */
export function checkName(what: string, name: unknown): void {
  if (typeof name === "string" && isName(name)) return;
  throw new RangeError(
    `Cannot use ${shown(name)} as the name of ${what}: it must be a text of 1 to ${NAME_MAX} characters, none of them a control character, without a blank at either end`,
  );
}

/** A value for a message: never long, no control characters. */
export function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length <= 64 ? text : `${text.slice(0, 63)}…`;
}

const FILE_NAME_BYTES_MAX = 255;

/**
 * The parts of an artifact's path, or undefined where it is none: parts between single `/`, each a name that every common
 * file system takes, none of them hidden, `..`, or either of these encoded.
 */
export function artifactParts(path: string): string[] | undefined {
  const parts = path.split("/");
  return parts.every(isArtifactName) ? parts : undefined;
}

function isArtifactName(name: string): boolean {
  return (
    name !== "" &&
    !name.startsWith(".") &&
    !/[. ]$/.test(name) &&
    !/[\p{Cc}\p{Cs}\\:*?"<>|]|%[0-9A-Fa-f]{2}/u.test(name) &&
    Buffer.byteLength(name) <= FILE_NAME_BYTES_MAX
  );
}

/** An alias of a model's version, by MLflow's rules: letters, digits, `-`, `_`; not `latest`, not `v` and a number. */
export function isAlias(name: string): boolean {
  return /^[\w-]{1,250}$/.test(name) && !/^(?:latest|v\d+)$/i.test(name);
}
