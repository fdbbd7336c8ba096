// Flags shared by commands, and how their texts become values.
import { InvalidArgumentError } from "commander";
import { PARAM_RULES, type TrainingParams } from "../training/params.ts";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** A parser for a training parameter's flag: the check and the message are the parameter's own rule. */
export function numberFlag(parameter: keyof TrainingParams): (text: string) => number {
  const { says, holds } = PARAM_RULES[parameter];
  return (text) => {
    const value = NUMBER.test(text) ? Number(text) : Number.NaN;
    if (!holds(value)) throw new InvalidArgumentError(`It must be ${says}.`);
    return value;
  };
}

/** Names between commas. */
export function namesFlag(text: string): string[] {
  const names = text.split(",");
  if (names.some((name) => name === "")) {
    throw new InvalidArgumentError("It must be column names with commas between them.");
  }
  return names;
}

export interface OutputFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
}
