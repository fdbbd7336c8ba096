// Does a sealed run hold what it takes to derive a run again, and show any byte that was altered?
import { spawnSync } from "node:child_process";
import { createHash, generateKeyPairSync } from "node:crypto";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { openSealed, SealError, writeSealed } from "../../src/proof/sealed.ts";
import { PREFIX, SUFFIX } from "../../src/proof/shell.ts";
import { createRandom } from "../contract/bits.ts";
import {
  type Json,
  ROOT,
  raisin,
  raisinJson,
  runNode,
  type TrainAnswer,
  temporaryDirectory,
  writeTable,
} from "../support/cli.ts";
import { endlessCore, exchangeCore, markedCore } from "../support/foreign-cores.ts";
import { extract as extractLine } from "./runs.ts";

const cwd = temporaryDirectory();
let trained: TrainAnswer;
let sealed: Buffer;

const keys = ["audit", "other"].map((name) => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  writeFileSync(join(cwd, `${name}.pem`), privateKey.export({ type: "pkcs8", format: "pem" }));
  writeFileSync(join(cwd, `${name}.pub`), publicKey.export({ type: "spki", format: "pem" }));
  return publicKey;
});

const at = (...args: string[]) => raisin(args, { cwd });
const seal = (...args: string[]) => at("seal", trained.run_id, ...args);

beforeAll(async () => {
  writeTable(cwd, "wine.csv");
  const args = ["train", "--data", "wine.csv", "--iterations", "120", "--l2", "0.01"];
  trained = await raisinJson<TrainAnswer>(args, { cwd });
  expect((await seal()).code).toBe(0);
  sealed = readFileSync(join(cwd, "proof.html"));
});

const ownProgram = () => readFileSync(join(ROOT, "build/proof.js"), "utf8");

function extract(page: string, name: string): string {
  extractLine(join(cwd, page), join(cwd, name));
  return join(cwd, name);
}

describe("raisin seal", () => {
  test("writes one file of about 100 kB, and says how to open it", async () => {
    const { code, stdout, stderr } = await seal("--out", "told.html");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(
      new RegExp(
        `^sealed: run ${trained.run_id} in told\\.html, \\d+ kB, without its data\n {2}digest [0-9a-f]{64}\n {2}open it in a browser, or: raisin verify told\\.html\n$`,
      ),
    );
    expect(sealed.length).toBeLessThan(125_000);
    // The same run gives the same file: there is no clock in it.
    expect(readFileSync(join(cwd, "told.html")).equals(sealed)).toBe(true);
  });

  test("tells nothing of the machine: no path, no account, no host", async () => {
    const { user, host } = JSON.parse(readFileSync(join(trained.run_dir, "meta.json"), "utf8"));
    const { run } = openSealed(sealed);
    const text = JSON.stringify(run);
    for (const word of [cwd, user, host])
      expect(text).not.toContain(JSON.stringify(word).slice(1, -1));
  });

  test("verifies by raisin, with the data named", async () => {
    const { code, stdout } = await at("verify", "proof.html", "--data", "wine.csv");
    expect(stdout).toMatch(
      /^reproduced: run [0-9a-f]{12}, every byte of model\.npz and 34 metric values\n.*\n.*\n {2}seal [0-9a-f]{64}, not signed\n$/,
    );
    expect(code).toBe(0);
    expect((await at("verify", "proof.html")).code).toBe(2);
    const json = await raisinJson<object>(["verify", "proof.html", "--data", "wine.csv"], { cwd });
    expect(json).toMatchObject({ reproduced: true, seal: { signer: null } });
  });

  test("verifies by Node alone, after one command", async () => {
    const program = extract("proof.html", "proof.mjs");
    const elsewhere = temporaryDirectory();
    const run = (...args: string[]) => runNode([program, ...args], { cwd: elsewhere });
    const { code, stdout, stderr } = await run(join(cwd, "wine.csv"), join(cwd, "proof.html"));
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^reproduced: run [0-9a-f]{12}, every byte of model\.npz and 34 metric/);
    const text = readFileSync(join(cwd, "wine.csv"), "utf8");
    writeFileSync(join(elsewhere, "changed.csv"), text.replace(/^([^\n]*\n)[^,]*/, "$19"));
    const changed = await run("changed.csv");
    expect([changed.code, changed.stderr]).toEqual([3, ""]);
    expect(changed.stdout).toMatch(/first difference: data: row 1 is not as recorded, in "a"/);
    expect((await run("none.csv")).code).toBe(5);
    expect((await run()).code).toBe(2);
    expect((await run("--help")).stdout).toContain("usage: node proof.mjs");
    writeFileSync(join(elsewhere, "picture"), Buffer.from([0x89, 0x50, 0x4e, 0x47, 1, 2, 3, 0, 9]));
    expect((await run("picture")).code).toBe(5);
  });

  test.skipIf(spawnSync("grep", ["--version"]).status !== 0)(
    "by the README's command (skipped where there is no grep)",
    () => {
      const readme = readFileSync(join(ROOT, "README.md"), "utf8");
      const command = /^ {4}(grep '[^']+' proof\.html > proof\.mjs) && node proof\.mjs /m.exec(
        readme,
      )![1]!;
      spawnSync("sh", ["-c", command.replace("proof.mjs", "grepped.mjs")], { cwd });
      const expected = readFileSync(extract("proof.html", "proof.mjs"));
      expect(readFileSync(join(cwd, "grepped.mjs")).equals(expected)).toBe(true);
    },
  );

  test("--with-data puts the table in, and nobody has to name it", async () => {
    expect((await seal("--with-data", "--out", "whole.html")).code).toBe(0);
    const { code, stdout } = await at("verify", "whole.html");
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^reproduced: /)]);
    const program = extract("whole.html", "whole.mjs");
    const alone = await runNode([program], { cwd: temporaryDirectory() });
    expect([alone.code, alone.stderr]).toEqual([0, ""]);
  });

  test("does not seal another table with a run, and no run that is none or damaged", async () => {
    writeTable(cwd, "other.csv", { seed: 5 });
    const other = await seal("--with-data", "--data", "other.csv");
    expect([other.code, other.stderr]).toEqual([
      5,
      expect.stringContaining("many rows are others"),
    ]);
    expect((await seal("--data", "other.csv")).code).toBe(2);
    expect((await at("seal", "0123456789ab")).code).toBe(2);
    cpSync(trained.run_dir, join(cwd, "damaged"), { recursive: true });
    writeFileSync(join(cwd, "damaged/artifacts/core/core.wasm"), "");
    const damaged = await at("seal", "damaged");
    expect([damaged.code, damaged.stderr]).toEqual([1, expect.stringContaining("core is missing")]);
  });
});

describe("a sealed run that was altered", () => {
  const opens = (bytes: Uint8Array) => {
    try {
      openSealed(bytes);
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(SealError);
      return false;
    }
  };

  test("is as it was sealed: the control", () => {
    expect(opens(sealed)).toBe(true);
  });

  test("shows each altered byte of the seal itself and some of every part", () => {
    const random = createRandom(3);
    const from = sealed.indexOf("const SEAL=");
    const ends = [from - 20, from + 250];
    const places = Array.from({ length: ends[1]! - ends[0]! }, (_, k) => ends[0]! + k);
    for (let k = 0; k < 400; k++) places.push(Math.floor(random.between(0, sealed.length)));
    for (let k = 0; k < 50; k++) {
      places.push(Math.floor(random.between(0, PREFIX.length)));
      places.push(sealed.length - 1 - Math.floor(random.between(0, SUFFIX.length)));
    }
    const missed = places.filter((place) => {
      const copy = Buffer.from(sealed);
      copy[place]! ^= 1 << Math.floor(random.between(0, 8));
      return opens(copy);
    });
    expect(missed).toEqual([]);
  });

  test("shows bytes that were cut off, left out, or added", () => {
    const random = createRandom(4);
    for (let k = 0; k < 100; k++) {
      const place = Math.floor(random.between(0, sealed.length));
      expect(opens(sealed.subarray(0, place))).toBe(false);
      expect(opens(Buffer.concat([sealed.subarray(0, place), sealed.subarray(place + 1)]))).toBe(
        false,
      );
      expect(
        opens(
          Buffer.concat([sealed.subarray(0, place), Buffer.from("\n"), sealed.subarray(place)]),
        ),
      ).toBe(false);
    }
    expect(opens(Buffer.concat([sealed, Buffer.from("\n")]))).toBe(false);
  });

  test.each<[string, (bytes: Buffer) => Buffer | string, RegExp]>([
    ["truncated", (bytes) => bytes.subarray(0, 70_000), /truncated/],
    ["truncated within the markup", (bytes) => bytes.subarray(0, 100), /truncated/],
    ["empty", () => "", /truncated/],
    ["altered", (bytes) => bytes.toString().replace('"lr":0.1', '"lr":0.2'), /altered/],
    [
      "from a newer version",
      (bytes) => bytes.toString().replace('SEAL={"format":1', 'SEAL={"format":7,"new":[]'),
      /it has format 7, and this version reads 1: verify it with a newer version/,
    ],
  ])("%s: exit 3, and which it is", async (_, change, said) => {
    writeFileSync(join(cwd, "bad.html"), change(sealed));
    const { code, stdout, stderr } = await at("verify", "bad.html", "--data", "wine.csv");
    expect([code, stderr]).toEqual([3, ""]);
    expect(stdout).toMatch(/^not verified: bad\.html: /);
    expect(stdout).toMatch(said);
    const json = await at("verify", "bad.html", "--json");
    expect([json.code, JSON.parse(json.stdout)]).toEqual([
      3,
      expect.objectContaining({ reproduced: false, stage: "seal" }),
    ]);
  });

  test("shows in the program, too", async () => {
    const line = readFileSync(extract("proof.html", "again.mjs"), "utf8");
    writeFileSync(join(cwd, "again.mjs"), line.replace('"lr":0.1', '"lr":0.2'));
    const { code, stdout } = await runNode([join(cwd, "again.mjs"), "wine.csv"], { cwd });
    expect([code, stdout]).toEqual([3, expect.stringMatching(/^not verified: it is altered/)]);
  });
});

describe("a signature", () => {
  test("is checked, and who made it", async () => {
    const { code, stdout } = await seal("--sign", "audit.pem", "--out", "signed.html");
    expect(code).toBe(0);
    const key = /signed by (ed25519:\S+)/.exec(stdout)![1]!;
    const { x } = keys[0]!.export({ format: "jwk" });
    expect(key).toBe(`ed25519:${Buffer.from(x!, "base64url").toString("base64")}`);
    const verify = (...args: string[]) =>
      at("verify", "signed.html", "--data", "wine.csv", ...args);
    for (const args of [[], ["--signer", "audit.pub"], ["--signer", key]]) {
      const verdict = await verify(...args);
      expect([verdict.code, verdict.stdout]).toEqual([0, expect.stringContaining(`by ${key}`)]);
    }
    const other = await verify("--signer", "other.pub");
    expect([other.code, other.stdout]).toEqual([3, expect.stringMatching(/signed by .*, not by /)]);
    const unsigned = await at("verify", "proof.html", "--signer", "audit.pub");
    expect([unsigned.code, unsigned.stdout]).toEqual([3, expect.stringContaining("not signed")]);
    const program = extract("signed.html", "signed.mjs");
    const alone = await runNode([program, "wine.csv"], { cwd });
    expect([alone.code, alone.stdout]).toEqual([0, expect.stringContaining(`signed by ${key}`)]);
  });

  test("of another file, or by another key, is none", async () => {
    const text = readFileSync(join(cwd, "signed.html"), "utf8");
    const signature = /"signature":(\{[^}]*\})/.exec(text)![1]!;
    await seal("--with-data", "--sign", "other.pem", "--out", "second.html");
    const second = readFileSync(join(cwd, "second.html"), "utf8");
    const own = /"signature":(\{[^}]*\})/.exec(second)![1]!;
    const otherKey = own.replace(/"value":"[^"]*"/, /"value":"[^"]*"/.exec(signature)![0]);
    for (const forged of [signature, otherKey]) {
      writeFileSync(join(cwd, "forged.html"), second.replace(own, forged));
      const { code, stdout } = await at("verify", "forged.html");
      expect([code, stdout]).toEqual([
        3,
        expect.stringContaining("its signature is not by the key"),
      ]);
      const program = extract("forged.html", "forged.mjs");
      const alone = await runNode([program], { cwd });
      expect([alone.code, alone.stdout]).toEqual([
        3,
        expect.stringMatching(/^not verified: its signature/),
      ]);
    }
  });

  test("is made by an ed25519 key in PEM and checked by one, or the command says what is wrong", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(join(cwd, "rsa.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
    for (const [key, said] of [
      ["rsa.pem", "of type rsa"],
      ["audit.pub", "no private key"],
      ["none.pem", "ENOENT"],
      ["wine.csv", "no private key"],
    ] as const) {
      const { code, stderr } = await seal("--sign", key);
      expect([code, stderr]).toEqual([2, expect.stringContaining(said)]);
    }
    for (const key of ["wine.csv", "nobody", "ed25519:AAAA"]) {
      expect((await at("verify", "proof.html", "--signer", key)).code).toBe(2);
    }
    expect((await at("verify", trained.run_id, "--signer", "audit.pub")).code).toBe(2);
    expect((await at("verify", "--all", "--signer", "audit.pub")).code).toBe(2);
  });
});

describe("a sealed run with another core", () => {
  async function sealWith(core: Uint8Array, out: string) {
    cpSync(trained.run_dir, join(cwd, "copy"), { recursive: true });
    exchangeCore(join(cwd, "copy"), core);
    return at("seal", "copy", "--with-data", "--data", "wine.csv", "--out", out);
  }

  test("that never returns: exit 3, by raisin and by its own program", async () => {
    expect((await sealWith(endlessCore(), "endless.html")).code).toBe(0);
    const { code, stdout } = await at("verify", "endless.html", "--time-limit", "1");
    expect([code, stdout]).toEqual([
      3,
      expect.stringMatching(/core: it did not return within 1 s/),
    ]);
  });

  test("that is unknown and gives the same: only the arithmetic was checked", async () => {
    expect((await sealWith(markedCore(), "marked.html")).code).toBe(0);
    const { code, stdout } = await at("verify", "marked.html");
    expect([code, stdout]).toEqual([0, expect.stringContaining("only the arithmetic was checked")]);
    const program = extract("marked.html", "marked.mjs");
    const alone = await runNode([program], { cwd });
    expect([alone.code, alone.stdout]).toEqual([
      0,
      expect.stringContaining("only the arithmetic was checked"),
    ]);
  });

  test("that its program could not run is not sealed", async () => {
    const { code, stderr } = await sealWith(Buffer.from("none"), "none.html");
    expect([code, stderr]).toEqual([2, expect.stringContaining("cannot run its core")]);
  });
});

describe("hostile content", () => {
  test("names that look like marks, markup or line ends stay names", async () => {
    const names = [
      "</script><script>x",
      ";/*verifier*/",
      "<!-- -->",
      "*/ x",
      "ü\u2028z",
      ";const RUN=1",
    ];
    const rows = Array.from({ length: 40 }, (_, i) =>
      [...names.map((_, j) => ((i * 7 + j * 13) % 19) / 2), i % 3 ? "</body>" : "/*proof*/"].join(
        ",",
      ),
    );
    const header = [...names, "label\u2029"].map((name) => `"${name}"`).join(",");
    writeFileSync(join(cwd, "hostile.csv"), [header, ...rows].join("\n"));
    const run = await raisinJson<TrainAnswer>(
      ["train", "--data", "hostile.csv", "--label", "label\u2029", "--iterations", "50"],
      { cwd },
    );
    const made = await at("seal", run.run_id, "--with-data", "--out", "hostile.html");
    expect([made.code, made.stderr]).toEqual([0, ""]);
    const text = readFileSync(join(cwd, "hostile.html"), "utf8");
    expect(text.match(/<\/script/g)).toHaveLength(1);
    expect((await at("verify", "hostile.html")).code).toBe(0);
    const program = extract("hostile.html", "hostile.mjs");
    expect((await runNode([program], { cwd })).code).toBe(0);
  });

  test("a table that unpacks to more than it says is stopped there", async () => {
    const { run } = openSealed(sealed);
    const bomb = { name: "bomb", bytes: 1000, packed: deflateRawSync(Buffer.alloc(50_000_000)) };
    writeFileSync(join(cwd, "bomb.html"), writeSealed({ ...run, data: bomb }, "0"));
    const { code, stdout } = await at("verify", "bomb.html");
    expect([code, stdout]).toEqual([3, expect.stringContaining("cannot be unpacked")]);
    writeFileSync(join(cwd, "bomb.html"), writeSealed({ ...run, data: bomb }, ownProgram()));
    const alone = await runNode([extract("bomb.html", "bomb.mjs")], { cwd });
    expect([alone.code, alone.stdout]).toEqual([3, expect.stringContaining("cannot be unpacked")]);
  });

  /** A file with another record, sealed as ours are. */
  function forge(change: (payload: Json) => unknown): string {
    const { run } = openSealed(sealed);
    const mark = "@@@";
    const text = writeSealed({ ...run, about: { ...run.about, model: mark } }, ownProgram());
    const from = text.indexOf(";const RUN=") + ";const RUN=".length;
    const to = text.indexOf(";/*verifier*/");
    const payload = change(JSON.parse(text.slice(from, to)));
    const body = typeof payload === "string" ? payload : JSON.stringify(payload);
    const seal = text.indexOf("const SEAL=") + "const SEAL=".length;
    const [head, tail] = [text.slice(0, seal), `;const RUN=${body}${text.slice(to)}`];
    const digest = createHash("sha256")
      .update(head + tail)
      .digest("hex");
    return `${head}${JSON.stringify({ format: 1, digest, signature: null })}${tail}`;
  }

  test.each<[string, (payload: Json) => unknown]>([
    ["a metric that is no number", (run) => ({ ...run, metrics: [["x", null, 0]] })],
    ["another core digest", (run) => ({ ...run, core: { ...run.core, digest: "0".repeat(64) } })],
    ["a core of no bytes", (run) => ({ ...run, core: { ...run.core, packed: "" } })],
    ["a sketch that is none", (run) => ({ ...run, sketch: {} })],
    ["params that are null", (run) => ({ ...run, params: null })],
    ["params that are a list", (run) => ({ ...run, params: [] })],
    ["a label that is an object", (run) => ({ ...run, params: { ...run.params, label: {} } })],
    ["iterations below 0", (run) => ({ ...run, params: { ...run.params, iterations: -1 } })],
    ["a model that is none", (run) => ({ ...run, model: { ...run.model, npz: "AAAA" } })],
    ["a model of no bytes", (run) => ({ ...run, model: { ...run.model, npz: "" } })],
    ["a run id that moves the cursor", (run) => ({ ...run, run_id: "\r\u001b[Kreproduced" })],
    [
      "rows that are no count",
      (run) => ({ ...run, about: { ...run.about, dataset: { rows: {} } } }),
    ],
    ["rows below 0", (run) => ({ ...run, about: { ...run.about, dataset: { rows: -9 } } })],
    ["nothing about it", (run) => ({ ...run, about: 3 })],
    ["a list", () => []],
    ["no JSON", () => "{"],
    ["JSON that is too deep", () => `{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}`],
  ])(
    "%s is refused, whoever sealed it: exit 3, by raisin and by its own program",
    async (_, change) => {
      writeFileSync(join(cwd, "none.html"), forge(change));
      const { code, stdout, stderr } = await at("verify", "none.html", "--data", "wine.csv");
      expect([code, stderr]).toEqual([3, ""]);
      expect(stdout).toMatch(/^not verified: none\.html: it was sealed with [^\p{Cc}]*\n$/u);
      if (/const RUN=(\{;|\{"a":\[{99})/.test(forge(change))) return; // where no program can begin
      const alone = await runNode([extract("none.html", "none.mjs"), "wine.csv"], { cwd });
      expect([alone.code, alone.stderr]).toEqual([3, ""]);
      expect(alone.stdout).toMatch(/^not verified: /);
    },
  );

  test("the control: with nothing changed it verifies", async () => {
    writeFileSync(
      join(cwd, "same.html"),
      forge((run) => run),
    );
    expect((await at("verify", "same.html", "--data", "wine.csv")).code).toBe(0);
    // However many rows it says, a timer does not overflow.
    writeFileSync(
      join(cwd, "same.html"),
      forge((run) => ({ ...run, about: { ...run.about, dataset: { rows: 2 ** 50 } } })),
    );
    const alone = await runNode([extract("same.html", "same.mjs"), "wine.csv"], { cwd });
    expect([alone.code, alone.stderr]).toEqual([0, ""]);
  });

  test("a file of other line ends, or another case, is an altered one", async () => {
    for (const text of [
      sealed.toString().replaceAll("\n", "\r\n"),
      sealed.toString().replace("<!doctype", "<!DOCTYPE"),
    ]) {
      writeFileSync(join(cwd, "other.html"), text);
      const { code, stdout } = await at("verify", "other.html", "--data", "wine.csv");
      expect([code, stdout]).toEqual([3, expect.stringMatching(/^not verified: .*altered/)]);
    }
  });
});
