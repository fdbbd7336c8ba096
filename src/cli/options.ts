// Flags shared by commands, and how their texts become values.
import { type Command, InvalidArgumentError } from "commander";
import { parseDecimal } from "../data/decimal.ts";
import { DIALECT_WORDS, type DialectKey } from "../data/dialect.ts";
import { isNameTooLong, NAME_MAX } from "../data/names.ts";
import { TOKENS_MAX } from "../data/table-dataset.ts";
import { isName } from "../miniflow/names.ts";
import type { Gate } from "../recording/promote.ts";
import { type ClassWeight, type NumberParam, PARAM_RULES } from "../training/params.ts";
import { UsageError } from "./exit.ts";

/** A parser for a training parameter's flag: the check and the message are the parameter's own rule. */
export function numberFlag(parameter: NumberParam): (text: string) => number {
  const { says, holds } = PARAM_RULES[parameter];
  return (text) => {
    // Blanks, which a table may hold around a number, are more likely a slip of quotes here.
    const value = /\s/.test(text) ? Number.NaN : parseDecimal(text);
    if (!holds(value)) throw new InvalidArgumentError(`It must be ${says}.`);
    return value;
  };
}

/** Values of a training parameter to try, with commas between them. */
export function numbersFlag(parameter: NumberParam): (text: string) => number[] {
  const { says } = PARAM_RULES[parameter];
  const one = numberFlag(parameter);
  return (text) =>
    text.split(",").map((part) => {
      try {
        return one(part);
      } catch {
        throw new InvalidArgumentError(
          `Each value must be ${says}, with commas between them: ${JSON.stringify(part.slice(0, 40))} is not.`,
        );
      }
    });
}

/** Class weights to try. */
export function classWeightsFlag(text: string): ClassWeight[] {
  return text.split(",").map((part) => {
    if (part === "none" || part === "balanced") return part;
    throw new InvalidArgumentError(
      `Each value must be none or balanced: ${JSON.stringify(part.slice(0, 40))} is not.`,
    );
  });
}

/** How many folds, or threads. */
export function wholeFlag(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    return value;
  };
}

/** A path: anything but nothing, which would mean the working directory to some and an error to others. */
export function pathFlag(text: string): string {
  if (text === "" || text.includes("\0"))
    throw new InvalidArgumentError("It must name a file or a directory.");
  return text;
}

/** An address to fetch from. */
export function urlFlag(text: string): string {
  if (!/^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : "")) {
    throw new InvalidArgumentError("It must be an address that begins with http:// or https://.");
  }
  return text;
}

/** A name as in a line of CSV: within quotes, or up to the next comma. */
const NAME = /(?:"((?:[^"]|"")+)"|([^",][^,]*))(,|$)/y;

/** Names between commas, quoted as in CSV where they hold one. A flag given twice adds to itself. */
export function namesFlag(text: string, before: readonly string[] = []): string[] {
  const names = [...before];
  let mark = ",";
  for (let at = 0; mark === ","; at = NAME.lastIndex) {
    NAME.lastIndex = at;
    const found = NAME.exec(text);
    if (found === null) {
      throw new InvalidArgumentError(
        "It must be column names with commas between them; a name with a comma stands in quotes: '\"a,b\",c'.",
      );
    }
    names.push(found[1]?.replaceAll('""', '"') ?? found[2]!);
    mark = found[3]!;
  }
  return names;
}

/** Texts that stand for a missing value: as many as a model keeps. */
export function tokensFlag(text: string, before: readonly string[] = []): string[] {
  const tokens = namesFlag(text, before);
  if (tokens.length > TOKENS_MAX || tokens.some(isNameTooLong)) {
    throw new InvalidArgumentError(
      `It must be at most ${TOKENS_MAX} texts of at most ${NAME_MAX} characters.`,
    );
  }
  return tokens;
}

/** The text that `namesFlag` reads as these names. */
export function namesText(names: readonly string[]): string {
  return names
    .map((name) => (/[",]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name))
    .join(",");
}

/** A mark of a dialect: its word, or the mark itself. */
export function dialectFlag(key: DialectKey): (text: string) => string | null {
  const words = DIALECT_WORDS[key] as Readonly<Record<string, string | null>>;
  return (text) => {
    if (Object.hasOwn(words, text)) return words[text]!;
    if (Object.values(words).includes(text)) return text;
    if (key === "delimiter" && text === "\\t") return "\t";
    throw new InvalidArgumentError(`It must be ${Object.keys(words).join(", ")}.`);
  };
}

/** A whole number from 1. */
export function countFlag(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new InvalidArgumentError("It must be a whole number from 1.");
  return Number(text);
}

/** A TCP port; 0 means any free one. */
export function portFlag(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new InvalidArgumentError("It must be a whole number from 0 to 65535.");
  return Number(text);
}

/** Seconds, up to an hour. */
export function secondsFlag(text: string): number {
  const seconds = /\s/.test(text) ? Number.NaN : parseDecimal(text);
  if (!(seconds >= 0 && seconds <= 3600))
    throw new InvalidArgumentError("It must be a number from 0 to 3600.");
  return seconds;
}

/** Seconds of work, up to a day. */
export function timeLimitFlag(text: string): number {
  const seconds = /\s/.test(text) ? Number.NaN : parseDecimal(text);
  if (!(seconds > 0 && seconds <= 86_400))
    throw new InvalidArgumentError("It must be a number above 0, up to 86400.");
  return seconds;
}

/** A number from 0. */
export function scoreFlag(text: string): number {
  const value = /\s/.test(text) ? Number.NaN : parseDecimal(text);
  if (!(value >= 0)) throw new InvalidArgumentError("It must be a number from 0.");
  return value;
}

/** A probability above 0 and below 1. */
export function probabilityFlag(text: string): number {
  const value = /\s/.test(text) ? Number.NaN : parseDecimal(text);
  if (!(value > 0 && value < 1))
    throw new InvalidArgumentError("It must be a number between 0 and 1.");
  return value;
}

const UNITS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 };

/** An age such as 30d, 12h, 45m or 90s, in milliseconds. */
export function ageFlag(text: string): number {
  const found = /^(\d{1,6})([dhms])$/.exec(text);
  if (found === null)
    throw new InvalidArgumentError("It must be a whole number and d, h, m or s, such as 30d.");
  return Number(found[1]) * UNITS[found[2]!]!;
}

/** The SHA-256 of something, 64 hex digits. */
export function digestFlag(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new InvalidArgumentError("It must be 64 hex digits, as raisin doctor prints them.");
  return text;
}

/** Words of an order, one a flag. */
export function listFlag(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** A line for the record. */
export function lineFlag(text: string): string {
  if (text.trim() === "" || text.length > 1000 || /\p{Cc}/u.test(text))
    throw new InvalidArgumentError("It must be one line of 1 to 1000 characters.");
  return text.trim();
}

/** Host names between commas, without ports. */
export function hostsFlag(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (!names.every((name) => /^([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]+\])$/.test(name)))
    throw new InvalidArgumentError(
      "It must be host names without ports, with commas between them.",
    );
  return names;
}

/** The flags that were typed, as the words of a command line, but for some. */
export function typedWords(command: Command, except: readonly string[]): string[] {
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    const value: unknown = command.getOptionValue(name);
    const isTyped = command.getOptionValueSource(name) === "cli";
    if (!isTyped || except.includes(name) || option.negate !== (value === false)) return [];
    return typeof value === "boolean" ? [option.long!] : [option.long!, String(value)];
  });
}

/** @throws UsageError for a name of an experiment or a model that cannot be one */
export function checkNames(flags: { readonly experiment?: string; readonly model?: string }): void {
  for (const name of [flags.experiment, flags.model]) {
    if (name !== undefined && !isName(name)) {
      throw new UsageError(
        "Names of experiments and models must have 1 to 250 characters, none of them a control character, and no blank at either end; give them with --experiment and --model",
      );
    }
  }
}

/** What a run must reach to be promoted. */
export interface GateFlags {
  readonly promoteOn: "val_accuracy" | "val_loss";
  readonly minGain?: number;
  readonly significance?: number;
}

export function gateOf({ promoteOn, minGain, significance }: GateFlags): Gate {
  return {
    metric: promoteOn,
    ...(minGain !== undefined && { minGain }),
    ...(significance !== undefined && { significance }),
  };
}

export interface OutputFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
}
