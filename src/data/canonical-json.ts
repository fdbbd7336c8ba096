// RFC 8785 JSON: one text for one value, so that it can be hashed and compared.
import library from "canonicalize";

// The package is CommonJS and exports the function itself; its types say otherwise.
const canonicalize = library as unknown as (value: unknown) => string | undefined;

/** @throws TypeError for what JSON cannot hold */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("Cannot write a value that JSON does not have");
  return text;
}
