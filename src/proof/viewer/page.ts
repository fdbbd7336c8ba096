// A sealed run in a browser: what it says, a place to drop the table on, the training before the reader's eyes, the verdict.
//
// Design: every text is set as text, never as markup. The page asks nothing of any network: its policy has no source.
import type { MetricRecord } from "../../training/train.ts";
import { lateAfter, type Outcome } from "../compare.ts";
import { secondsForSealed } from "../derive.ts";
import { checkSignature, type Seal, SealError, type SealedRun } from "../sealed.ts";
import { type Curve, drawLosses } from "./chart.ts";
import { fileOf, openOwn, type Payload, threadText } from "./payload.ts";
import type { Report } from "./worker.ts";

export function openAsPage(): void {
  const script = document.querySelector("script")!.textContent;
  const line = script.slice(1, -1);
  const page = document.querySelector<HTMLElement>("#page")!;
  const live = markupOf(document);
  page.style.animation = "none";
  try {
    if (script !== `\n${line}\n`) throw new SealError("it is altered: its program is not one line");
    const payload = openOwn(line);
    const sealed = markupOf(new DOMParser().parseFromString(fileOf(line), "text/html"));
    if (live !== sealed) {
      throw new SealError(
        "the markup round its program is not the sealed one: the file is altered, or an extension of this browser changed the page",
      );
    }
    show(page, payload);
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    page.replaceChildren(
      element("h1", "This sealed run is not as it was sealed"),
      withId("verdict", element("p", `Not verified: ${error.message}`, "bad")),
    );
  }
}

/** Everything of a document that was parsed. */
function markupOf({ childNodes }: Document): string {
  return [...childNodes]
    .map((node) =>
      node.nodeType === Node.ELEMENT_NODE
        ? (node as Element).outerHTML
        : `${node.nodeType} ${node.nodeName} ${node.nodeValue}`,
    )
    .join("\n");
}

function show(page: HTMLElement, { seal, run }: Payload): void {
  const { record, about, data } = run;
  const drop = withId("drop", document.createElement("label"));
  const input = document.createElement("input");
  input.type = "file";
  drop.append(
    element("b", "Drop the table here"),
    element("br", ""),
    element("span", `the rows that this model was trained on (${about.dataset.name}), or choose: `),
    input,
  );
  const verdict = withId("verdict", element("p", "Not verified yet."));
  verdict.setAttribute("role", "status");
  const why = withId("why", element("p", ""));
  const meter = document.createElement("progress");
  meter.hidden = true;
  const chart = document.createElement("figure");
  const recorded = curveOf(record.metrics);
  drawLosses(chart, recorded, []);
  const signature = element("span", seal.signature ? "…" : "not signed");
  void describeSignature(seal).then((text) => {
    signature.textContent = text;
  });
  page.replaceChildren(
    element("h1", `Run ${record.runId}`),
    element(
      "p",
      `A logistic regression, trained by raisin ${about.raisin} on ${about.started}, with all that it takes to train it again: here, now, offline. Nothing leaves this page.`,
    ),
    drop,
    verdict,
    why,
    meter,
    chart,
    ...facts(run, seal, signature),
  );
  document.title = `Run ${record.runId}: not verified yet`;

  let current: { end(): void } | undefined;
  const begin = (table: File | null) => {
    current?.end();
    verdict.className = "";
    verdict.textContent = "Reading the table …";
    why.textContent = "";
    meter.hidden = false;
    meter.removeAttribute("value");
    const derived: MetricRecord[] = [];
    current = derive(table, secondsForSealed(run), (said) => {
      if (said.kind === "training") verdict.textContent = "Training again …";
      else if (said.kind === "progress") {
        meter.value = said.progress.step / said.progress.iterations;
        derived.push(...said.progress.records);
        drawLosses(chart, recorded, curveOf(derived));
      } else {
        meter.hidden = true;
        const [word, text, mood] = wordsOf(said, run);
        verdict.className = mood;
        verdict.textContent = word;
        why.textContent = text;
        document.title = `Run ${record.runId}: ${word}`;
      }
    });
  };
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file) begin(file);
  });
  // The whole page takes the table, so that a near miss does not leave it.
  addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  addEventListener("dragleave", () => drop.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file) begin(file);
  });
  if (data !== null) {
    const button = element("button", `Verify with the table in this file (${data.name})`);
    button.addEventListener("click", () => begin(null));
    drop.after(button);
  }
}

function wordsOf(
  said: { kind: "outcome"; outcome: Outcome } | { kind: "error"; message: string },
  { record, about }: SealedRun,
): [word: string, text: string, mood: string] {
  if (said.kind === "error") return ["Cannot verify", said.message, "bad"];
  const { reproduced, stage, difference, metricsCompared } = said.outcome;
  if (!reproduced) return ["Not reproduced", `First difference: ${stage}: ${difference}`, "bad"];
  const limits =
    about.release === null
      ? " The core is none of a release: only its arithmetic was checked, not that it trains a logistic regression."
      : "";
  return [
    "Reproduced",
    `All ${record.modelBytes.length} bytes of model.npz and ${metricsCompared} metric values are equal.${limits}`,
    "good",
  ];
}

/** Trains in a thread. Ends it when its core does not return in time. */
function derive(
  table: File | null,
  seconds: number,
  tell: (report: Exclude<Report, { kind: "ready" }>) => void,
): { end(): void } {
  const address = URL.createObjectURL(new Blob([threadText()], { type: "text/javascript" }));
  const worker = new Worker(address);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = () => {
    clearTimeout(timer);
    worker.terminate();
    URL.revokeObjectURL(address);
  };
  const late = () => {
    end();
    tell({ kind: "outcome", outcome: lateAfter(seconds) });
  };
  worker.onmessage = ({ data }: MessageEvent<Report>) => {
    if (data.kind === "ready") {
      worker.postMessage(table);
      return;
    }
    if (data.kind === "training") timer = setTimeout(late, 1000 * seconds);
    if (data.kind === "outcome" || data.kind === "error") end();
    tell(data);
  };
  worker.onerror = (event) => {
    end();
    const message = event.message || "The thread of this page could not start";
    tell({ kind: "error", message, isSeal: false });
  };
  return { end };
}

async function describeSignature(seal: Seal): Promise<string> {
  if (seal.signature === null) return "not signed";
  const isSound = await checkSignature(seal);
  const by = `by the key ed25519:${seal.signature.key}`;
  if (isSound === null) return `${by}; this browser cannot check it`;
  return isSound ? `${by}: sound` : `${by}: NOT SOUND`;
}

function curveOf(records: readonly MetricRecord[]): Curve[] {
  return ["train_loss", "val_loss"].map((key) =>
    records.filter((record) => record.key === key).map(({ step, value }) => [step, value]),
  );
}

function facts({ record, about }: SealedRun, seal: Seal, signature: HTMLElement): HTMLElement[] {
  const core =
    about.release === null
      ? "of no release"
      : `released with raisin ${about.release}, as the version that sealed it says`;
  const code = (text: string) => element("code", text);
  const proof = table([
    ["data", [code(record.contentDigest), ` content of ${about.dataset.rows} rows`]],
    [
      "file",
      [
        code(about.dataset.file_sha256),
        " the file at the time; other files can hold the same rows",
      ],
    ],
    ["core", [code(record.coreDigest), ` ${core}`]],
    ["model", [code(record.modelDigest)]],
    ["this file", [code(seal.digest), " compare it with the one that you were given"]],
    ["signature", [signature]],
    [
      "promotion",
      [`${about.promotion.promoted ? "promoted" : "not promoted"}: ${about.promotion.reason}`],
    ],
  ]);
  const values = (entries: readonly (readonly [string, unknown])[]) =>
    table(
      entries.map(([key, value]) => [
        key,
        [typeof value === "string" ? value : JSON.stringify(value)],
      ]),
    );
  return [
    element("h2", "Digests"),
    proof,
    element("h2", "Figures"),
    values(Object.entries(about.metrics)),
    element("h2", "Parameters"),
    values(Object.entries(record.params)),
    element("h2", "What this shows, and what not"),
    element(
      "p",
      "Equal bytes show that this model is what these rows, these parameters and this core give. They do not show that the rows are true, nor that it was wise to use the model. A page cannot vouch for itself: who doubts this file compares its digest with the one that was given out, or runs `raisin verify` on it.",
      "note",
    ),
  ];
}

function table(rows: readonly (readonly [string, readonly (string | HTMLElement)[]])[]) {
  const body = document.createElement("table");
  for (const [name, cells] of rows) {
    const row = body.insertRow();
    row.append(element("th", name));
    row.insertCell().append(...cells);
  }
  return body;
}

function element(tag: string, text: string, style = ""): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = style;
  return made;
}

function withId<T extends HTMLElement>(id: string, made: T): T {
  made.id = id;
  return made;
}
