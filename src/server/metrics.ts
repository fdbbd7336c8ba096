// What Prometheus reads: counts kept in plain numbers on the way of a request, put into words when somebody asks.
//
// Design:
// - A count is an addition. Labels are put together at the scrape: prom-client's own counters would take as long as the
//   prediction. prom-client keeps the registry, writes the text and measures the process.
// - Label values are bounded: matched patterns, codes of this server, the model's own features (at most 512), and the two
//   last models. So the number of series is, too.
// - All that adds up over time is kept for each model: what is standardised means something else for the next.
import type { Histogram } from "prom-client";
// By file: the package as a whole brings its cluster and gateway clients along, and among its default metrics an observer
// of the garbage collector that costs a tenth of a request.
import eventLoopLag from "prom-client/lib/metrics/eventLoopLag.js";
import heapSizeAndUsed from "prom-client/lib/metrics/heapSizeAndUsed.js";
import osMemoryHeap from "prom-client/lib/metrics/osMemoryHeap.js";
import processCpuTotal from "prom-client/lib/metrics/processCpuTotal.js";
import processOpenFileDescriptors from "prom-client/lib/metrics/processOpenFileDescriptors.js";
import processStartTime from "prom-client/lib/metrics/processStartTime.js";
import version from "prom-client/lib/metrics/version.js";
import Registry from "prom-client/lib/registry.js";
import { STANDARDISED_MAX } from "../monitoring/feature-sums.ts";
import type { ErrorCode } from "./http-error.ts";
import type { ServedModel } from "./served-model.ts";

const PROCESS_METRICS = [
  processCpuTotal,
  processStartTime,
  osMemoryHeap,
  processOpenFileDescriptors,
  eventLoopLag,
  heapSizeAndUsed,
  version,
];

/** Upper ends in seconds. */
const DURATIONS = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
];
/** Upper ends of logits. */
export const LOGIT_EDGES = Array.from({ length: 21 }, (_, k) => k - 10);

/** Most features with series of their own. */
export const FEATURES_MAX = 512;

type Labels = Readonly<Record<string, string | number>>;

interface Sample {
  readonly value: number;
  readonly labels: Labels;
  readonly metricName?: string;
}

/** Counts of values up to each edge, and beyond the last. */
export class Buckets {
  readonly edges: readonly number[];
  readonly counts: Float64Array;
  sum = 0;

  constructor(edges: readonly number[]) {
    this.edges = edges;
    this.counts = new Float64Array(edges.length + 1);
  }

  observe(value: number): void {
    const { edges } = this;
    let low = 0;
    let high = edges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= edges[middle]!) high = middle;
      else low = middle + 1;
    }
    this.counts[low]!++;
    this.sum += value;
  }

  /** As Prometheus has histograms: cumulative, with sum and count. */
  samples(name: string, labels: Labels): Sample[] {
    let count = 0;
    const buckets = Array.from(this.counts, (bin, k) => {
      count += bin;
      return {
        value: count,
        labels: { ...labels, le: this.edges[k] ?? "+Inf" },
        metricName: `${name}_bucket`,
      };
    });
    return [
      ...buckets,
      { value: this.sum, labels, metricName: `${name}_sum` },
      { value: count, labels, metricName: `${name}_count` },
    ];
  }
}

/** Requests of one model, or of none, by route and status. */
interface RequestCounts {
  readonly model: string;
  readonly version: string;
  readonly routes: Map<string, Map<number, number>>;
}

/** Models whose counts are kept: the one that serves, and the one before it, whose last counts may not be read yet. */
const MODELS_KEPT = 2;

export class ServerMetrics {
  readonly #registry = new Registry();
  readonly #durations = new Map<string, Buckets>();
  readonly #invalid = new Map<string, number>();
  readonly #none: RequestCounts = { model: "", version: "", routes: new Map() };
  #requests: RequestCounts[] = [];
  #models: ServedModel[] = [];
  inFlight = 0;
  reloadFailures = 0;
  /** Connections refused, as there were too many. */
  dropped = 0;
  isReady = false;

  constructor() {
    for (const collect of PROCESS_METRICS) {
      collect(this.#registry, { eventLoopMonitoringPrecision: 100 });
    }
    this.#define();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** A model begins to serve. */
  use(model: ServedModel): void {
    const { name, version } = model;
    const kept = MODELS_KEPT - 1;
    // The same model from another run begins to count again: two series of one name and version would be one too many.
    const before = this.#models.filter((one) => one.version !== version);
    this.#models = [...before.slice(-kept), model];
    const others = this.#requests.filter((counts) => counts.version !== version);
    const counts = this.#requests.find((one) => one.version === version && one.model === name);
    this.#requests = [
      ...others.slice(-kept),
      counts ?? { model: name, version, routes: new Map() },
    ];
  }

  /** A request was answered. */
  request(model: ServedModel | null, route: string, status: number, seconds: number): void {
    const counts =
      model === null
        ? this.#none
        : (this.#requests.find(({ version }) => version === model.version) ?? this.#none);
    const codes = madeIn(counts.routes, route, () => new Map<number, number>());
    codes.set(status, (codes.get(status) ?? 0) + 1);
    madeIn(this.#durations, route, () => new Buckets(DURATIONS)).observe(seconds);
  }

  /** Input was refused. */
  invalid(reason: ErrorCode): void {
    this.#invalid.set(reason, (this.#invalid.get(reason) ?? 0) + 1);
  }

  #define(): void {
    const ofModels = (samples: (model: ServedModel, labels: Labels) => Sample[]) => () =>
      this.#models.flatMap((model) =>
        samples(model, { model: model.name, version: model.version }),
      );
    const ofCurrent = (samples: (model: ServedModel) => Sample[]) => () => {
      const current = this.#models.at(-1);
      return current === undefined ? [] : samples(current);
    };
    const one = (value: number, labels: Labels = {}): Sample[] => [{ value, labels }];

    this.#add("raisin_requests_total", "counter", "Requests, but for probes and metrics", () =>
      [this.#none, ...this.#requests].flatMap(({ model, version, routes }) =>
        [...routes].flatMap(([route, codes]) =>
          [...codes].map(([code, value]) => ({ value, labels: { route, code, model, version } })),
        ),
      ),
    );
    const durations = "raisin_request_duration_seconds";
    this.#add(durations, "histogram", "From the request's head to its answer", () =>
      [...this.#durations].flatMap(([route, buckets]) => buckets.samples(durations, { route })),
    );
    this.#add("raisin_requests_in_flight", "gauge", "Requests under way", () => one(this.inFlight));
    this.#add(
      "raisin_rows_total",
      "counter",
      "Rows scored",
      ofModels(({ counts }, labels) => one(counts.rows, labels)),
    );
    this.#add(
      "raisin_predictions_total",
      "counter",
      "Rows by predicted class",
      ofModels(({ counts }, labels) => [
        { value: counts.rows - counts.positive, labels: { ...labels, class: "0" } },
        { value: counts.positive, labels: { ...labels, class: "1" } },
      ]),
    );
    this.#add(
      "raisin_logit",
      "histogram",
      "Logits of the rows scored",
      ofModels(({ counts }, labels) => counts.logits.samples("raisin_logit", labels)),
    );
    this.#add("raisin_input_invalid_total", "counter", "Requests refused, by error code", () =>
      [...this.#invalid].map(([reason, value]) => ({ value, labels: { reason } })),
    );
    this.#add(
      "raisin_feature_standardised_sum_total",
      "counter",
      `Sums of standardised features of the rows scored, each value at most ${STANDARDISED_MAX}: positive and negative parts`,
      ofModels(({ sums, featureLabels }, labels) =>
        featureLabels.flatMap((feature, j) => [
          { value: sums.positive[j]!, labels: { ...labels, feature, sign: "positive" } },
          { value: sums.negative[j]!, labels: { ...labels, feature, sign: "negative" } },
        ]),
      ),
    );
    this.#add(
      "raisin_feature_rows_total",
      "counter",
      "Rows in the sums of standardised features",
      ofModels(({ sums }, labels) => one(sums.rows, labels)),
    );
    this.#add(
      "raisin_train_rows",
      "gauge",
      "Rows that the model was trained on",
      ofCurrent(({ drift, name, version }) =>
        drift === null ? [] : one(drift.trainRows, { model: name, version }),
      ),
    );
    this.#add(
      "raisin_drift_window_rows",
      "gauge",
      "Rows in the sliding window of this process",
      ofCurrent(({ drift }) => (drift === null ? [] : one(drift.windowRows))),
    );
    this.#add(
      "raisin_drift_score",
      "gauge",
      "Mean absolute shift of the window's feature means, in training standard deviations",
      ofCurrent(({ drift }) => {
        const score = drift?.score();
        return score ? one(score.score) : [];
      }),
    );
    this.#add(
      "raisin_drift_noise_floor",
      "gauge",
      "Score to expect of as many rows without drift",
      ofCurrent(({ drift }) => {
        const score = drift?.score();
        return score ? one(score.noise_floor) : [];
      }),
    );
    this.#add(
      "raisin_feature_drift_z",
      "gauge",
      "Shift of the window's feature means, in training standard deviations",
      ofCurrent(({ drift, featureLabels }) => {
        const score = drift?.score();
        if (!score) return [];
        return featureLabels.map((feature, j) => ({ value: score.z[j]!, labels: { feature } }));
      }),
    );
    this.#add(
      "raisin_model_info",
      "gauge",
      "The model that serves",
      ofCurrent(({ runId, digest, coreDigest, name, version }) =>
        one(1, {
          run_id: runId ?? "",
          model_sha256: digest,
          wasm_sha256: coreDigest,
          model: name,
          version,
        }),
      ),
    );
    this.#add(
      "raisin_model_loaded_timestamp_seconds",
      "gauge",
      "When the model began to serve",
      ofCurrent(({ loadedMs }) => one(loadedMs / 1000)),
    );
    this.#add("raisin_model_reload_failures_total", "counter", "Models that were refused", () =>
      one(this.reloadFailures),
    );
    this.#add("raisin_connections_dropped_total", "counter", "Connections over the limit", () =>
      one(this.dropped),
    );
    this.#add("raisin_ready", "gauge", "1 when a model serves and none is draining", () =>
      one(Number(this.isReady)),
    );
  }

  #add(
    name: string,
    type: "counter" | "gauge" | "histogram",
    help: string,
    collect: () => readonly Sample[],
  ): void {
    const metric = { name, help, type, get: async () => ({ name, help, type, values: collect() }) };
    // A registry asks a metric for its name and for `get`; the package's types know its own classes only.
    this.#registry.registerMetric(metric as unknown as Histogram);
  }
}

/** A map's value, made when it is not there. */
function madeIn<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
