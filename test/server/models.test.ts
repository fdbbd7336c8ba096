// Does the right model serve, is a wrong one refused, and does a change lose or mix a request?
import { spawn } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadCore } from "../../src/core/node.ts";
import { Scorer } from "../../src/core/scorer.ts";
import { goldenByHand, goldenOf, SelfTestError, selfTest } from "../../src/model/golden.ts";
import { decodeModel, encodeModel, modelDigest } from "../../src/model/model-file.ts";
import { BIN, type Json, readJson, runDirectories, temporaryDirectory } from "../support/cli.ts";
import { ask, FEATURES, open, post, ROW, raisinRows, trained } from "./support.ts";

/** Makes another run and puts it into production, as a registry that was copied in would. */
function promoteAnother(directory: string): string {
  const before = new Set(runDirectories(join(directory, "miniflow")));
  trained(["--no-promote", "--iterations", "300"], directory);
  const run = runDirectories(join(directory, "miniflow")).find((path) => !before.has(path))!;
  setProduction(directory, run.split("/").at(-1)!);
  return run;
}

function setProduction(directory: string, run: string): void {
  const path = join(directory, "miniflow/registry.json");
  const registry = readJson(path);
  registry.raisin_logreg = { ...registry.raisin_logreg, production: run, updated_ts_ms: 1 };
  writeFileSync(`${path}.new`, JSON.stringify(registry));
  renameSync(`${path}.new`, path);
}

describe("without a model", () => {
  it("the process turns, is not ready, and says what to run", async () => {
    const directory = temporaryDirectory();
    const { port, log, service } = await open(directory);
    expect((await ask(port, "/healthz")).status).toBe(200);
    expect((await ask(port, "/livez")).status).toBe(200);
    for (const [path, body] of [
      ["/readyz", undefined],
      ["/v2/health/ready", undefined],
      ["/model", undefined],
      ["/drift", undefined],
      ["/predict", ROW],
      ["/invocations", { instances: [] }],
    ] as const) {
      const answer = body === undefined ? await ask(port, path) : await post(port, path, body);
      expect([path, answer.status, answer.json.error]).toEqual([path, 503, "no_model"]);
      expect(answer.json.message).toContain("raisin train");
      expect(answer.text).not.toContain(directory);
    }
    // MLflow's own answer.
    for (const path of ["/ping", "/health"]) {
      const { status, json } = await ask(port, path);
      expect([status, json.error_code]).toEqual([404, "RESOURCE_DOES_NOT_EXIST"]);
    }
    expect((await ask(port, "/openapi.json")).status).toBe(200);
    expect((await ask(port, "/docs")).status).toBe(200);
    expect((await ask(port, "/metrics")).text).toContain("raisin_ready 0");
    expect(
      log.lines.some(({ msg, reason }) => msg === "no model" && reason.includes("raisin train")),
    ).toBe(true);
    // It comes later.
    trained([], directory);
    service.models.poll();
    expect((await ask(port, "/readyz")).status).toBe(200);
    expect((await post(port, "/predict", ROW)).status).toBe(200);
  });
});

describe("the model that is named", () => {
  const directory = trained();
  const run = runDirectories(join(directory, "miniflow"))[0]!;
  const id = run.split("/").at(-1)!;
  const artifacts = join(run, "artifacts");

  it.each([
    ["a file", () => join(directory, "model.npz"), "none", false],
    ["a run", () => run, id, true],
    ["a run's id", () => id, id, true],
    ["a file of a run", () => join(artifacts, "model/model.npz"), id, true],
    ["a run's artifacts", () => artifacts, id, true],
    [
      "a flat directory, as a ConfigMap is",
      () => {
        const flat = temporaryDirectory();
        for (const file of [
          "artifacts/model/model.npz",
          "artifacts/model/model_card.json",
          "artifacts/train_profile.json",
          "meta.json",
        ])
          copyFileSync(join(run, file), join(flat, file.split("/").at(-1)!));
        return flat;
      },
      id,
      true,
    ],
  ])("may be %s", async (_, path, runId, hasProfile) => {
    const { port } = await open(directory, { modelFile: path() });
    const { headers } = await post(port, "/predict", ROW);
    expect(headers["x-raisin-model"]).toBe(`${runId};${readJson(run, "meta.json").model_digest}`);
    expect((await ask(port, "/drift")).status).toBe(hasProfile ? 200 : 404);
  });

  it("may be one of several by name", async () => {
    const both = trained(["--model", "second", "--iterations", "100"], trained());
    expect((await ask((await open(both)).port, "/readyz")).status).toBe(503);
    const { json } = await ask((await open(both, { model: "second" })).port, "/model");
    expect(json.name).toBe("second");
  });

  it("is not a directory outside the store that a registry names", async () => {
    const copy = temporaryDirectory();
    cpSync(join(directory, "miniflow"), join(copy, "miniflow"), { recursive: true });
    for (const production of [
      "../../../../etc",
      "..",
      "registry.json",
      `${id}/../${id}`,
      "",
      id.toUpperCase(),
    ]) {
      writeFileSync(
        join(copy, "miniflow/registry.json"),
        JSON.stringify({ raisin_logreg: { production, updated_ts_ms: 1 } }),
      );
      expect((await ask((await open(copy)).port, "/readyz")).status).toBe(503);
    }
  });
});

describe("a model that changes", () => {
  it("serves from one request to the next, and its predecessor is gone", async () => {
    const directory = trained();
    const { port, service, log } = await open(directory);
    const before = await post(port, "/predict", ROW);
    service.models.poll();
    promoteAnother(directory);
    service.models.poll();
    const after = await post(port, "/predict", ROW);
    expect(after.headers["x-raisin-model"]).not.toBe(before.headers["x-raisin-model"]);
    expect(after.json.logit).not.toBe(before.json.logit);
    expect((await ask(port, "/drift")).json.window.seen).toBe(1);
    expect(log.lines.filter(({ msg }) => msg === "model changed")).toHaveLength(1);
    const metrics = (await ask(port, "/metrics")).text;
    expect(
      metrics.match(/^raisin_requests_total\{route="\/predict",code="200".*\} 1$/gm),
    ).toHaveLength(2);
    expect(metrics.match(/^raisin_model_info/gm)).toHaveLength(1);
  });

  it.each([
    [
      "whose file was damaged",
      (run: string) => {
        const path = join(run, "artifacts/model/model.npz");
        const bytes = readFileSync(path);
        bytes[200]! ^= 1;
        writeFileSync(path, bytes);
      },
    ],
    [
      "whose file is another model's",
      (run: string) => {
        const path = join(run, "artifacts/model/model.npz");
        const model = decodeModel(readFileSync(path));
        writeFileSync(path, encodeModel({ ...model, b: model.b + 1 }));
      },
    ],
    [
      "that is not finished",
      (run: string) => {
        writeFileSync(
          join(run, "meta.json"),
          JSON.stringify({ ...readJson(run, "meta.json"), status: "RUNNING" }),
        );
      },
    ],
    [
      "whose golden logits are others",
      (run: string) => {
        const path = join(run, "artifacts/model/model_card.json");
        const card = readJson(path);
        card.golden.logits[1] += 1e-15;
        writeFileSync(path, JSON.stringify(card));
      },
    ],
    [
      "whose card is another's",
      (run: string) => {
        const path = join(run, "artifacts/model/model_card.json");
        writeFileSync(path, JSON.stringify({ ...readJson(path), model_digest: "0".repeat(64) }));
      },
    ],
    [
      "whose profile is another's",
      (run: string) => {
        const path = join(run, "artifacts/train_profile.json");
        const profile = readJson(path);
        profile.means[0] += 1;
        writeFileSync(path, JSON.stringify(profile));
      },
    ],
    [
      "whose profile is no JSON",
      (run: string) => writeFileSync(join(run, "artifacts/train_profile.json"), "{"),
    ],
    ["whose files are gone", (run: string) => rmSync(run, { recursive: true })],
  ])("into one %s is refused, and the old one goes on", async (_, damage) => {
    const directory = trained();
    const { port, service, log } = await open(directory);
    const before = (await post(port, "/predict", ROW)).text;
    damage(promoteAnother(directory));
    for (let k = 0; k < 3; k++) service.models.poll();
    const after = await post(port, "/predict", ROW);
    expect([after.status, after.text]).toEqual([200, before]);
    expect((await ask(port, "/readyz")).status).toBe(200);
    expect(log.lines.filter(({ msg }) => msg === "model refused")).toHaveLength(1);
    expect((await ask(port, "/metrics")).text).toContain("raisin_model_reload_failures_total");
  });

  it("behind the links of a mounted ConfigMap is seen", async () => {
    const directory = trained();
    const first = runDirectories(join(directory, "miniflow"))[0]!;
    const second = promoteAnother(directory);
    const mount = temporaryDirectory();
    // As the kubelet writes it: files are links through ..data, which is renamed over.
    const put = (name: string, run: string) => {
      const dated = join(mount, name);
      mkdirSync(dated);
      for (const file of [
        "artifacts/model/model.npz",
        "artifacts/model/model_card.json",
        "artifacts/train_profile.json",
        "meta.json",
      ])
        copyFileSync(join(run, file), join(dated, file.split("/").at(-1)!));
      symlinkSync(name, join(mount, "..data_tmp"));
      renameSync(join(mount, "..data_tmp"), join(mount, "..data"));
    };
    put("..2026_01", first);
    for (const file of readdirSync(join(mount, "..2026_01")))
      symlinkSync(`..data/${file}`, join(mount, file));
    const { port, service } = await open(directory, { modelFile: mount });
    const idOf = async () => (await ask(port, "/model")).json.run_id;
    expect(await idOf()).toBe(first.split("/").at(-1));
    put("..2026_02", second);
    rmSync(join(mount, "..2026_01"), { recursive: true });
    service.models.poll();
    expect(await idOf()).toBe(second.split("/").at(-1));
  });

  it("does so under load twenty times, and every answer is whole and of one model", async () => {
    const directory = trained();
    const first = runDirectories(join(directory, "miniflow"))[0]!.split("/").at(-1)!;
    const second = promoteAnother(directory).split("/").at(-1)!;
    const { port, service } = await open(directory);
    const rows = raisinRows();
    const expected = new Map<string, Json>();
    for (const run of [first, second]) {
      setProduction(directory, run);
      service.models.poll();
      expected.set(run, (await post(port, "/predict", rows)).json);
    }
    let isDone = false;
    let answered = 0;
    const used = new Set<string>();
    const load = Array.from({ length: 4 }, async (_, k) => {
      for (let i = k; !isDone; i += 4) {
        const isBatch = i % 10 === 0;
        const at = i % rows.length;
        const answer = await post(port, "/predict", isBatch ? rows : rows[at]);
        expect(answer.status).toBe(200);
        const run = answer.headers["x-raisin-model"]!.split(";")[0]!;
        expect(answer.json).toEqual(isBatch ? expected.get(run) : expected.get(run)[at]);
        used.add(run);
        answered++;
      }
    });
    for (let k = 0; k < 20; k++) {
      setProduction(directory, k % 2 === 0 ? first : second);
      service.models.poll();
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    isDone = true;
    await Promise.all(load);
    expect(used.size).toBe(2);
    expect(answered).toBeGreaterThan(50);
  }, 60_000);
});

describe("the self-test", () => {
  const directory = trained();
  const model = decodeModel(readFileSync(join(directory, "model.npz")));
  const card = readJson(
    runDirectories(join(directory, "miniflow"))[0]!,
    "artifacts/model/model_card.json",
  );
  const golden = goldenOf(card, model, modelDigest(model));

  it("passes with this core, and by hand", () => {
    const scorer = new Scorer(loadCore(), model);
    expect(() => selfTest(scorer, model, golden)).not.toThrow();
    expect(() => selfTest(scorer, model, goldenByHand(model))).not.toThrow();
    expect(golden.rows).toHaveLength(5);
  });

  it.each(["w", "mean", "std"] as const)("fails when one bit of %s is another", (key) => {
    const changed = Float64Array.from(model[key]);
    new BigUint64Array(changed.buffer)[FEATURES.indexOf("Perimeter")]! ^= 1n << 20n;
    const scorer = new Scorer(loadCore(), { ...model, [key]: changed });
    expect(() => selfTest(scorer, model, golden)).toThrow(SelfTestError);
    expect(() => selfTest(scorer, model, goldenByHand(model))).toThrow(SelfTestError);
  });

  it.each([
    ["no golden rows", { ...card, golden: { rows: [], logits: [] } }],
    ["fewer logits than rows", { ...card, golden: { ...card.golden, logits: [1] } }],
    ["rows of another width", { ...card, golden: { rows: [[1]], logits: [1] } }],
    ["nothing", null],
  ])("refuses a card with %s", (_, damaged) => {
    expect(() => goldenOf(damaged, model, modelDigest(model))).toThrow(SelfTestError);
  });
});

describe("the end", () => {
  it("comes after what is under way, and no request fails: twenty times under load", async () => {
    const directory = trained();
    for (let k = 0; k < 20; k++) {
      const child = spawn(
        process.execPath,
        [BIN, "serve", "--port", "0", "--drain-seconds", "0.2"],
        {
          cwd: directory,
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      let text = "";
      const port = await new Promise<number>((resolve) => {
        child.stdout.on("data", (chunk) => {
          text += chunk;
          const found = /"listening".*?"port":(\d+)/.exec(text);
          if (found) resolve(Number(found[1]));
        });
      });
      const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
      let answered = 0;
      let failed = 0;
      let isGone = false;
      // As behind a load balancer: who sees that it is not ready sends no more.
      const load = Array.from({ length: 4 }, async () => {
        while (!isGone) {
          try {
            const { status } = await post(port, "/predict", ROW);
            if (status === 200) answered++;
            else failed++;
          } catch {
            failed++;
          }
        }
      });
      await new Promise((resolve) => setTimeout(resolve, 50));
      child.kill("SIGTERM");
      for (;;) {
        const ready = await ask(port, "/readyz");
        if (ready.status === 503) {
          expect(ready.json.error).toBe("draining");
          break;
        }
      }
      isGone = true;
      await Promise.all(load);
      expect([await ended, failed]).toEqual([0, 0]);
      expect(answered).toBeGreaterThan(5);
      expect(text).toMatch(/"msg":"draining"[\s\S]*"msg":"ended"/);
    }
  }, 60_000);

  it("lets a request end whose body is still on its way", async () => {
    const directory = trained();
    const child = spawn(process.execPath, [BIN, "serve", "--port", "0", "--drain-seconds", "0"], {
      cwd: directory,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    const port = await new Promise<number>((resolve) => {
      child.stdout.on("data", (chunk) => {
        text += chunk;
        const found = /"listening".*?"port":(\d+)/.exec(text);
        if (found) resolve(Number(found[1]));
      });
    });
    const body = JSON.stringify(ROW);
    const status = new Promise<number>((resolve, reject) => {
      const outgoing = request(
        {
          port,
          host: "127.0.0.1",
          method: "POST",
          path: "/predict",
          headers: {
            host: "localhost",
            "content-type": "application/json",
            "content-length": body.length,
          },
        },
        (incoming) => {
          incoming.resume();
          resolve(incoming.statusCode!);
        },
      );
      outgoing.on("error", reject);
      outgoing.write(body.slice(0, 10));
      setTimeout(() => child.kill("SIGTERM"), 100);
      setTimeout(() => outgoing.end(body.slice(10)), 400);
    });
    expect(await status).toBe(200);
    expect(await new Promise((resolve) => child.on("exit", resolve))).toBe(0);
  });
});
