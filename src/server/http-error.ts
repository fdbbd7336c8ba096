// What a client did wrong, in the words of the HTTP interface: a status, a stable code, a message, and where it is.
import { cut } from "../data/shown.ts";

/** Every code and the status that it comes with. Codes are part of the interface: none is ever renamed. */
export const ERRORS = {
  invalid_request: 400,
  invalid_host: 400,
  invalid_query: 400,
  invalid_encoding: 400,
  invalid_json: 400,
  invalid_csv: 400,
  invalid_body: 400,
  missing_feature: 400,
  unknown_feature: 400,
  duplicate_feature: 400,
  wrong_type: 400,
  not_finite: 400,
  missing_value: 400,
  unknown_level: 400,
  out_of_range: 400,
  ragged_rows: 400,
  no_rows: 400,
  too_many_rows: 400,
  invalid_tensor: 400,
  unknown_output: 400,
  forbidden_host: 403,
  forbidden_origin: 403,
  not_found: 404,
  unknown_model: 404,
  no_profile: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  body_too_large: 413,
  unsupported_media_type: 415,
  unsupported_encoding: 415,
  headers_too_large: 431,
  internal: 500,
  no_model: 503,
  draining: 503,
  overloaded: 503,
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** Where in a body something is wrong. Rows count from 1. */
export interface ErrorDetails {
  readonly field?: string;
  readonly row?: number;
  readonly line?: number;
}

/** An answer other than 200. Messages are fixed texts with bounded values. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly details: ErrorDetails;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.code = code;
    this.status = ERRORS[code];
    this.details = details;
    this.headers = headers;
  }
}

/** The body of an error. */
export function errorBody({ code, message, details }: HttpError): string {
  const { field, ...rest } = details;
  return inertJson({
    error: code,
    message,
    ...(field !== undefined && { field: cut(field) }),
    ...rest,
  });
}

/** The body of an error on MLflow's routes: MLflow's fields, and ours besides. */
export function mlflowErrorBody(error: HttpError): string {
  const codes: Readonly<Record<number, string>> = {
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
  };
  const ours = JSON.parse(errorBody(error)) as Record<string, unknown>;
  return inertJson({ error_code: codes[error.status] ?? "BAD_REQUEST", ...ours });
}

/**
 * JSON in which nothing that came from outside is markup or moves the writing direction, wherever it is pasted: such
 * characters are escaped, and parse as what they were.
 */
export function inertJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&'\p{Cf}\u2028\u2029]/gu, (character) => {
    const units = Array.from({ length: character.length }, (_, k) => character.charCodeAt(k));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
  });
}
