// Starts the threads of worker.ts, and ends those that take too long or are needed no more.
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { ValueRangeError } from "../core/core.ts";
import { ForeignCoreError, OlderCoreError } from "../core/source.ts";
import { DataError } from "../data/data-error.ts";
import { FoldError } from "../data/split.ts";
import type { Derived } from "../proof/compare.ts";
import { DivergenceError } from "../training/train.ts";
import type { Answer, TrainWork, TuneScores, TuneTask, TuneWork } from "./worker.ts";

/** A core that did not return in time, or failed at what ours do not fail at. */
export class CoreFailure extends Error {
  override readonly name: string = "CoreFailure";
}

/** Errors that mean the same to a caller whichever thread they come from. */
const KINDS = [
  ForeignCoreError,
  OlderCoreError,
  DivergenceError,
  ValueRangeError,
  DataError,
  FoldError,
] as const;

function errorOf({ name, message }: { name: string; message: string }): Error {
  const Kind = KINDS.find((kind) => new kind("").name === name) ?? Error;
  return new Kind(message);
}

/** Starts a thread. Its errors, and whatever ends it early, are told as errors. */
function start<T>(
  work: TrainWork | TuneWork,
  on: { answer(answer: { ready: true } | { result: T }): void; error(error: Error): void },
): Worker {
  const worker = new Worker(createRequire(import.meta.url).resolve("#worker.js"), {
    workerData: work,
  });
  worker.on("message", (answer: Answer<T>) => {
    if ("error" in answer) on.error(errorOf(answer.error));
    else on.answer(answer);
  });
  worker.on("error", on.error);
  worker.on("exit", (code) => on.error(new Error(`its thread ended with ${code}`)));
  return worker;
}

/**
 * Trains in a thread of its own, so that a core that never returns can be ended.
 *
 * @throws CoreFailure; ForeignCoreError for a core that this host cannot run; the signal's reason
 */
export async function trainInThread(
  work: Omit<TrainWork, "kind">,
  limits: { readonly seconds: number; readonly signal?: AbortSignal },
): Promise<Derived> {
  const { seconds, signal } = limits;
  let worker: Worker | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stop = () => {};
  try {
    return await new Promise<Derived>((resolve, reject) => {
      stop = () => reject(signal!.reason as Error);
      if (signal?.aborted) return stop();
      signal?.addEventListener("abort", stop, { once: true });
      const late = `it did not return within ${seconds} s (--time-limit gives it longer)`;
      timer = setTimeout(() => reject(new CoreFailure(late)), seconds * 1000);
      worker = start<Derived>(
        { ...work, kind: "train" },
        {
          answer(answer) {
            if ("result" in answer) resolve(answer.result);
          },
          // These data and parameters went through before: whatever else fails now is the core's doing.
          error: (error) =>
            reject(error instanceof ForeignCoreError ? error : new CoreFailure(error.message)),
        },
      );
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    await worker?.terminate();
  }
}

/**
 * Does tasks in as many threads as are wanted, each as soon as a thread is free.
 *
 * @param done called with each answer; it may throw, which ends everything
 * @throws the first error of a thread; the signal's reason
 */
export async function scoreInThreads(
  work: Omit<TuneWork, "kind">,
  tasks: readonly TuneTask[],
  options: {
    readonly workers: number;
    readonly signal?: AbortSignal;
    done(task: TuneTask, scores: TuneScores): Promise<void>;
  },
): Promise<void> {
  const { workers: count, signal, done } = options;
  const workers: Worker[] = [];
  const shared = {
    ...work,
    kind: "tune" as const,
    dataset: share(work.dataset),
    folds: share(work.folds),
  };
  let stop = () => {};
  let next = 0;
  let left = tasks.length;
  try {
    await new Promise<void>((resolve, reject) => {
      stop = () => reject(signal!.reason as Error);
      if (signal?.aborted) return stop();
      signal?.addEventListener("abort", stop, { once: true });
      for (let k = 0; k < Math.min(count, tasks.length); k++) {
        let current: TuneTask | undefined;
        const worker = start<TuneScores>(shared, {
          answer(answer) {
            const task = current;
            current = tasks[next++];
            if (current !== undefined) worker.postMessage(current);
            if (!("result" in answer)) return;
            done(task!, answer.result).then(() => {
              if (--left === 0) resolve();
            }, reject);
          },
          error: reject,
        });
        workers.push(worker);
      }
    });
  } finally {
    signal?.removeEventListener("abort", stop);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** Bytes from which on an array is worth a memory that threads share. */
const SHARED_FROM = 1 << 16;

/** The same value, whose large arrays every thread reads in one place. */
function share<T>(value: T): T {
  if (ArrayBuffer.isView(value)) {
    if (value.byteLength < SHARED_FROM) return value;
    const bytes = new Uint8Array(new SharedArrayBuffer(value.byteLength));
    bytes.set(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    const Kind = value.constructor as new (buffer: SharedArrayBuffer) => unknown;
    return new Kind(bytes.buffer) as T;
  }
  if (Array.isArray(value)) return value.map(share) as T;
  if (typeof value !== "object" || value === null) return value;
  // Digests are made when they are first read: here.
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, share(part)])) as T;
}
