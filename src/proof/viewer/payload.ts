// What stands before the program in its file, and how the program comes to it.
import { openSealed, parseRun, type Seal, type SealedRun } from "../sealed.ts";
import { PREFIX, SUFFIX } from "../shell.ts";

/** Left by the line that unpacked this program. */
declare global {
  var raisinProof: {
    readonly run: unknown;
    /** Where that line stands, for Node. */
    readonly url: string;
    /** This program's text. */
    readonly program: string;
  };
}

export interface Payload {
  readonly seal: Seal;
  readonly run: SealedRun;
}

/** The run that this program came with, of a file that was checked already. */
export function ownRun(): SealedRun {
  return parseRun(globalThis.raisinProof.run);
}

/**
 * The text of a thread that has the same run and program. A classic script: of a page from a disk, whose origin is opaque,
 * Chromium starts no module in a thread.
 */
export function threadText(): string {
  const { run, program } = globalThis.raisinProof;
  return `globalThis.raisinProof=${JSON.stringify({ run, url: "", program: "" })};${program}`;
}

/** Where the program's own file is, for Node. */
export function ownAddress(): URL {
  return new URL(globalThis.raisinProof.url);
}

/**
 * Run and seal, checked against the seal's digest.
 *
 * @param line the text that unpacked this program @throws SealError
 */
export function openOwn(line: string): Payload {
  return openSealed(new TextEncoder().encode(fileOf(line)));
}

/** The whole file round a line of program. */
export function fileOf(line: string): string {
  return PREFIX + line + SUFFIX;
}
