// A thread of its own: for a training by a core from anywhere, which may never return, and for the folds of a search.
import { parentPort, workerData } from "node:worker_threads";
import { coreOfBytes } from "../core/source.ts";
import type { Derived } from "../proof/compare.ts";
import type { TrainingParams } from "../training/params.ts";
import { type DigestedDataset, train } from "../training/train.ts";
import { CrossValidation, type FoldScore, type Folds } from "../training/tune.ts";

interface Work {
  readonly core: Uint8Array;
  readonly coreDigest: string;
  readonly dataset: DigestedDataset;
}

/** One training. The thread answers once. */
export interface TrainWork extends Work {
  readonly kind: "train";
  readonly params: TrainingParams;
}

/** The folds of a search. The thread says that it is ready, and answers each task. */
export interface TuneWork extends Work {
  readonly kind: "tune";
  readonly folds: Folds;
}

/** Some candidates on one fold. */
export interface TuneTask {
  readonly fold: number;
  readonly candidates: readonly { readonly place: number; readonly params: TrainingParams }[];
}

/** [candidates] of a task; null where one diverged. */
export type TuneScores = readonly (FoldScore | null)[];

/** What a thread says. */
export type Answer<T> =
  | { readonly ready: true }
  | { readonly result: T }
  | { readonly error: { readonly name: string; readonly message: string } };

function say<T>(answer: Answer<T>): void {
  parentPort!.postMessage(answer);
}

async function answering<T>(work: () => Promise<Answer<T>>): Promise<void> {
  try {
    say(await work());
  } catch (error) {
    // An error that is cloned loses its class: its name says which it was.
    const { name, message } = error as Error;
    say({ error: { name, message } });
  }
}

async function trainOnce(work: TrainWork): Promise<Answer<Derived>> {
  const source = coreOfBytes(work.core, work.coreDigest);
  const result = await train(source, work.dataset, work.params);
  const { model, modelBytes, modelDigest, splitDigest, records } = result;
  return { result: { model, modelBytes, modelDigest, splitDigest, records } };
}

async function serveFolds(work: TuneWork): Promise<Answer<TuneScores>> {
  const source = coreOfBytes(work.core, work.coreDigest);
  const validation = new CrossValidation(source, work.dataset, work.folds);
  parentPort!.on("message", ({ fold, candidates }: TuneTask) => {
    void answering<TuneScores>(async () => {
      const params = candidates.map((candidate) => candidate.params);
      return { result: await validation.scores(fold, params) };
    });
  });
  return { ready: true };
}

const work = workerData as TrainWork | TuneWork;
if (work.kind === "train") void answering(() => trainOnce(work));
else void answering(() => serveFolds(work));
