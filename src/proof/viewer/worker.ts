// The thread that trains again, behind the page or the command, so that both can end it.
import type { Progress } from "../../training/train.ts";
import type { Outcome } from "../compare.ts";
import type { TableSource } from "../data.ts";
import { deriveAgain } from "../derive.ts";
import { readSealedData, SealError, type SealedRun } from "../sealed.ts";
import { ownRun } from "./payload.ts";

/** What the thread says. */
export type Report =
  | { readonly kind: "ready" }
  | { readonly kind: "training" }
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "outcome"; readonly outcome: Outcome }
  | { readonly kind: "error"; readonly message: string; readonly isSeal: boolean };

/** The thread of a page: when it says that it is ready, it is sent a file, or null for the table that was sealed with the run. */
export function serveAsWorker(scope: {
  onmessage: ((event: { data: File | null }) => void) | null;
  postMessage(report: Report): void;
}): void {
  const run = ownRun();
  scope.onmessage = ({ data }) => {
    void report(run, data === null ? sealedTable(run) : fileTable(data), (said) =>
      scope.postMessage(said),
    );
  };
  scope.postMessage({ kind: "ready" });
}

/** Derives the run again and tells how it goes. */
export async function report(
  run: SealedRun,
  table: TableSource,
  tell: (report: Report) => void,
): Promise<void> {
  try {
    const outcome = await deriveAgain(run, table, {
      onTraining: () => tell({ kind: "training" }),
      onProgress: (progress) => tell({ kind: "progress", progress }),
    });
    tell({ kind: "outcome", outcome });
  } catch (error) {
    tell({
      kind: "error",
      message: (error as Error).message,
      isSeal: error instanceof SealError,
    });
  }
}

/** The table that was sealed with a run. @throws Error when there is none */
export function sealedTable({ data }: SealedRun): TableSource {
  if (data === null) throw new Error("This run was sealed without its data: name the file");
  return { name: data.name, read: (use) => readSealedData(data, use) };
}

function fileTable(file: File): TableSource {
  return {
    name: file.name.replace(/\.[^.]*$/, ""),
    read: async (use) => {
      const reader = file.stream().getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || use(value) === false) return;
      }
    },
  };
}
