// What is said when bytes are not a model file, or when a model cannot be one?

/** Bytes are not a model file, or a model cannot be one. */
export class ModelFormatError extends Error {
  override readonly name = "ModelFormatError";
}

/** Whether a model was being read or written. */
export type Action = "read" | "write";

export function failure(action: Action, what: string): ModelFormatError {
  return new ModelFormatError(`Cannot ${action} model: ${what}`);
}

export function unreadable(what: string): ModelFormatError {
  return failure("read", what);
}

export function unwritable(what: string): ModelFormatError {
  return failure("write", what);
}
