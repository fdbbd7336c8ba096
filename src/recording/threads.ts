// Starts the threads of worker.ts, and ends those that take too long.
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { ForeignCoreError } from "../core/source.ts";
import type { Derived } from "../proof/compare.ts";
import type { Answer, Task } from "./worker.ts";

/** A core that did not return in time, or failed at what ours do not fail at. */
export class CoreFailure extends Error {
  override readonly name: string = "CoreFailure";
}

/**
 * Trains in a thread of its own, so that a core that never returns can be ended.
 *
 * @throws CoreFailure; ForeignCoreError for a core that this host cannot run; the signal's reason
 */
export function trainInThread(
  task: Task,
  limits: { readonly seconds: number; readonly signal?: AbortSignal },
): Promise<Derived> {
  const { seconds, signal } = limits;
  const worker = new Worker(createRequire(import.meta.url).resolve("#worker.js"), {
    workerData: task,
  });
  return new Promise<Derived>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(
        new CoreFailure(`it did not return within ${seconds} s (--time-limit gives it longer)`),
      );
    }, seconds * 1000);
    const stop = () => reject(signal!.reason as Error);
    signal?.addEventListener("abort", stop, { once: true });
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    };
    worker.on("message", (answer: Answer<Derived>) => {
      end();
      if ("result" in answer) resolve(answer.result);
      else {
        reject(
          answer.isForeign ? new ForeignCoreError(answer.error) : new CoreFailure(answer.error),
        );
      }
    });
    worker.on("error", (error) => {
      end();
      reject(new CoreFailure(error.message));
    });
    worker.on("exit", (code) => {
      end();
      reject(new CoreFailure(`its thread ended with ${code}`));
    });
    if (signal?.aborted) stop();
  }).finally(() => worker.terminate());
}
