// Does `raisin serve` start as its flags say, tell what is in the way, and write nothing?
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ask, post, ROW, trained } from "../server/support.ts";
import {
  filesBelow,
  type Outcome,
  outcomeOf,
  raisin,
  startRaisin,
  temporaryDirectory,
} from "../support/cli.ts";

interface Started {
  readonly port: number;
  readonly text: () => string;
  end(signal: NodeJS.Signals): Promise<Outcome>;
}

/** Starts it on any port. */
async function serve(cwd: string, args: readonly string[] = []): Promise<Started> {
  const child = startRaisin(["serve", "--port", "0", "--drain-seconds", "0", ...args], { cwd });
  let text = "";
  const outcome = outcomeOf(child);
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout!.on("data", (chunk: string) => {
      text += chunk;
      const found = /"listening".*?"port":(\d+)/.exec(text);
      if (found) resolve(Number(found[1]));
    });
    void outcome.then(({ stderr }) => reject(new Error(stderr)));
  });
  return {
    port,
    text: () => text,
    end(signal) {
      child.kill(signal);
      return outcome;
    },
  };
}

describe("raisin serve", () => {
  it("answers, logs in JSON lines, writes no file, and ends with 0", async () => {
    const cwd = trained();
    const before = filesBelow(cwd);
    const server = await serve(cwd);
    expect((await post(server.port, "/predict", ROW)).status).toBe(200);
    await post(server.port, "/predict", {});
    await ask(server.port, "/metrics");
    const { code, stdout, stderr } = await server.end("SIGTERM");
    expect([code, stderr]).toEqual([0, ""]);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ msg }) => msg)).toEqual([
      "model loaded",
      "listening",
      "request",
      "request",
      "draining",
      "ended",
    ]);
    expect(filesBelow(cwd)).toEqual(before);
  });

  it("ends at once on Ctrl-C, without waiting for load balancers", async () => {
    const server = await serve(trained(), ["--drain-seconds", "3600"]);
    const { code, stdout } = await server.end("SIGINT");
    expect(code).toBe(0);
    expect(stdout).toContain('"msg":"draining","wait_ms":0');
  });

  it("starts without a model, and says what to run", async () => {
    const server = await serve(temporaryDirectory());
    expect((await ask(server.port, "/healthz")).status).toBe(200);
    expect((await ask(server.port, "/readyz")).status).toBe(503);
    const { code, stderr } = await server.end("SIGTERM");
    expect(code).toBe(0);
    expect(stderr).toContain("run `raisin train`");
  });

  it("takes a model that is trained while it runs", async () => {
    const cwd = temporaryDirectory();
    const server = await serve(cwd);
    trained([], cwd);
    let status = 503;
    for (let k = 0; k < 100 && status !== 200; k++) {
      status = (await ask(server.port, "/readyz")).status;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(status).toBe(200);
    await server.end("SIGTERM");
  });

  it("serves a file, another store and another model by name", async () => {
    const cwd = trained(["--store", "elsewhere", "--model", "second"]);
    const byFile = await serve(cwd, ["--model-file", "model.npz"]);
    expect((await post(byFile.port, "/predict", ROW)).status).toBe(200);
    await byFile.end("SIGTERM");
    const byName = await serve(cwd, ["--store", "elsewhere", "--model", "second"]);
    expect((await ask(byName.port, "/v2/models/second/ready")).status).toBe(200);
    await byName.end("SIGTERM");
  });

  it("lets more hosts ask when they are named", async () => {
    const server = await serve(trained(), ["--allowed-hosts", "raisin.example,other.example"]);
    const status = async (host: string) =>
      (await ask(server.port, "/model", { headers: { host } })).status;
    expect([
      await status("raisin.example:80"),
      await status("localhost"),
      await status("evil.example"),
    ]).toEqual([200, 200, 403]);
    await server.end("SIGTERM");
  });

  it.each([
    [["--port", "x"], "0 to 65535"],
    [["--port", "65536"], "0 to 65535"],
    [["--window", "0"], "whole number from 1"],
    [["--drain-seconds", "-1"], "0 to 3600"],
    [["--allowed-hosts", "a:80"], "without ports"],
    [["--host"], "argument missing"],
    [["--nope"], "unknown option"],
  ])("refuses %j", async (args, message) => {
    const { code, stderr } = await raisin(["serve", ...args], { cwd: temporaryDirectory() });
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it("says so when the port is taken, or the address is not its own", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    const cwd = temporaryDirectory();
    const taken = await raisin(["serve", "--port", String(port)], { cwd });
    expect([taken.code, taken.stderr]).toEqual([
      1,
      `error: Cannot listen on 127.0.0.1:${port}: something else listens there; name another --port\n`,
    ]);
    const foreign = await raisin(["serve", "--port", "0", "--host", "203.0.113.1"], { cwd });
    expect(foreign.code).toBe(1);
    expect(foreign.stderr).toContain("name another --host");
    other.close();
    expect(filesBelow(join(cwd))).toEqual([]);
  });
});
