// An example: a worker that predicts at the edge, with the bits of `raisin predict`. POST one row, or a list of rows, as JSON.
import core from "core.wasm";
import npz from "model.npz";
import { openModel } from "raisin-edge.mjs";

const model = openModel(core, new Uint8Array(npz));
const ROWS_MAX = 1000;

function answer(value, status = 200) {
  return Response.json(value, { status, headers: { "x-raisin-model": model.digest } });
}

export default {
  async fetch(request) {
    if (request.method !== "POST")
      return answer({ columns: model.columns, classes: model.classes });
    let body;
    try {
      body = await request.json();
    } catch {
      return answer({ error: "invalid_json", message: "The body must be JSON" }, 400);
    }
    const rows = Array.isArray(body) ? body : [body];
    if (rows.length > ROWS_MAX) {
      return answer({ error: "too_many_rows", message: `At most ${ROWS_MAX} rows` }, 413);
    }
    try {
      const found = rows.map((row) => model.explain(row));
      return answer(Array.isArray(body) ? found : found[0]);
    } catch (error) {
      // A row that the model cannot read; the message names the column.
      return answer({ error: "invalid_row", message: error.message }, 422);
    }
  },
};
