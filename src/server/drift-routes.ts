// GET and POST /drift: the rows of late, or those of the body, against the training profile.
import { inTurn, scoreRows } from "./batch.ts";
import type { Answer, Exchange } from "./exchange.ts";
import { HttpError } from "./http-error.ts";
import type { LiveDrift } from "./live-drift.ts";
import { readAny } from "./predict.ts";

function driftOf(exchange: Exchange): LiveDrift {
  const { drift } = exchange.model;
  if (drift !== null) return drift;
  throw new HttpError(
    "no_profile",
    "The model came without its train_profile.json: serve its run, or put the profile beside the model file",
  );
}

export function driftOfWindow(exchange: Exchange): Answer {
  const drift = driftOf(exchange);
  exchange.query([]);
  const window = { rows: drift.windowRows, capacity: drift.capacity, seen: drift.seen };
  const report = drift.report();
  const none = { score: null, noise_floor: null, rows: 0, verdict: "no_rows" };
  return { body: JSON.stringify({ ...(report ?? none), window }) };
}

export async function driftOfBody(exchange: Exchange): Promise<Answer> {
  const { model } = exchange;
  const drift = driftOf(exchange);
  exchange.query([]);
  const type = exchange.mediaType(["json", "csv"]);
  const bytes = await exchange.body();
  return inTurn(bytes.length, async () => {
    const rows = readAny(model, bytes, type);
    const scores = await scoreRows(model, rows, false, () => {});
    return {
      body: JSON.stringify(drift.reportOf({ columns: rows.columns, ...scores })),
      rows: rows.n,
    };
  });
}
