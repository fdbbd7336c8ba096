// How long work on the event loop lets others have a turn.

/** Turns the event loop once, so that signals and timers get their turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
