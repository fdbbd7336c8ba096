// GET /model: which model serves, and how to derive it again.
import type { Answer, Exchange } from "./exchange.ts";

export function modelRoute(exchange: Exchange): Answer {
  const served = exchange.model;
  exchange.query([]);
  const { model, located, drift } = served;
  const { spec, featureNames } = model;
  const meta = located.run?.meta ?? {};
  const pick = (key: string) => meta[key] ?? null;
  return {
    body: JSON.stringify({
      name: served.name,
      version: served.version,
      run_id: served.runId,
      experiment: located.run?.experiment ?? null,
      model_digest: served.digest,
      core_digest: served.coreDigest,
      trained_with_core: pick("core_digest"),
      label: spec.label,
      classes: { "0": spec.classes[0], "1": spec.classes[1] },
      threshold: spec.threshold,
      columns: spec.columns,
      features: featureNames,
      base_value: model.b,
      weights: Array.from(model.w),
      mean: Array.from(model.mean),
      std: Array.from(model.std),
      metrics: pick("metrics"),
      trained_ts_ms: pick("end_ts_ms"),
      loaded_ts_ms: served.loadedMs,
      train_rows: drift?.trainRows ?? null,
    }),
  };
}
