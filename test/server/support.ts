// How do tests ask the server? A real one on a port of its own, by http and by bytes.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { LogSink } from "../../src/server/log.ts";
import { type OpenServer, openServer, type ServeFlags } from "../../src/server/main.ts";
import { BIN, createRandom, type Json, temporaryDirectory } from "../support/cli.ts";

/** The seed's example. */
export const ROW = {
  Area: 87524,
  MajorAxisLength: 442.24,
  MinorAxisLength: 253.29,
  Eccentricity: 0.8197,
  ConvexArea: 90546,
  Extent: 0.7586,
  Perimeter: 1184.04,
};

export const FEATURES = Object.keys(ROW);

/** Trains in a directory of its own and returns it. */
export function trained(args: readonly string[] = [], directory = temporaryDirectory()): string {
  const { status, stderr } = spawnSync(process.execPath, [BIN, "train", "--quiet", ...args], {
    cwd: directory,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return directory;
}

/** A table with a category, gaps and a number, and a model of it. */
export function trainedMixed(): string {
  const directory = temporaryDirectory();
  const random = createRandom(7);
  const jobs = ["cook", "driver", "nurse"];
  const lines = ["age,job,hours,left"];
  for (let i = 0; i < 120; i++) {
    const age = 20 + Math.floor(random() * 40);
    const job = jobs[Math.floor(random() * 3)]!;
    const hours = random() < 0.2 ? "" : String(20 + Math.floor(random() * 30));
    const score = (age - 40) / 20 + (job === "cook" ? 1 : 0) + (random() - 0.5) * 2;
    lines.push(`${age},${job},${hours},${score > 0 ? "yes" : "no"}`);
  }
  writeFileSync(join(directory, "people.csv"), `${lines.join("\n")}\n`);
  return trained(["--data", "people.csv", "--label", "left", "--missing", "indicator"], directory);
}

/** Keeps what is logged. */
export class MemoryLog implements LogSink {
  text = "";

  write(line: string): void {
    this.text += line;
  }

  close(): void {}

  get lines(): Json[] {
    return this.text
      .trim()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }
}

export interface Opened extends OpenServer {
  readonly port: number;
  readonly log: MemoryLog;
}

const opened: OpenServer[] = [];

afterAll(() => {
  for (const { server } of opened) {
    server.close();
    server.closeAllConnections();
  }
});

/** A server of a directory's store, closed when the test file is done. */
export async function open(directory: string, flags: Partial<ServeFlags> = {}): Promise<Opened> {
  const log = new MemoryLog();
  const one = await openServer(
    {
      port: 0,
      host: "127.0.0.1",
      store: join(directory, "miniflow"),
      window: 1000,
      drainSeconds: 0,
      keepAliveSeconds: 5,
      ...flags,
    },
    log,
  );
  opened.push(one);
  return { ...one, port: one.address.port, log };
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly json: Json;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Sends one request on a connection of its own. */
export function ask(port: number, path: string, asked: Asked = {}): Promise<Answer> {
  const { method = asked.body === undefined ? "GET" : "POST", headers = {}, body } = asked;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        path,
        method,
        headers: { host: "localhost", ...headers },
        agent: false,
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk) => chunks.push(chunk));
        incoming.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: incoming.statusCode!,
            headers: incoming.headers as Answer["headers"],
            text,
            json: parsed(text),
          });
        });
        incoming.on("error", reject);
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const JSON_TYPE = { "content-type": "application/json" };
export const CSV_TYPE = { "content-type": "text/csv" };

/** Posts a value as JSON, or text as it stands. */
export function post(port: number, path: string, value: unknown): Promise<Answer> {
  const body = typeof value === "string" ? value : JSON.stringify(value);
  return ask(port, path, { headers: JSON_TYPE, body });
}

/** Sends bytes as they are and returns all that comes back until the server closes or `ms` have passed. */
export function raw(port: number, bytes: string | Uint8Array, ms = 3000): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1");
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    const timer = setTimeout(end, ms);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("close", end);
    socket.on("error", end);
    socket.on("end", () => socket.end());
    socket.write(bytes);
  });
}

/** The bytes of a double, for comparisons to the last bit. */
export function bitsOf(value: number): string {
  return Buffer.from(Float64Array.of(value).buffer).toString("hex");
}

/** Rows of the bundled raisins as objects of numbers. */
export function raisinRows(): Record<string, number>[] {
  const [header, ...lines] = readFileSync(
    new URL("../../data/raisins-simulated.csv", import.meta.url),
    "utf8",
  )
    .trim()
    .split("\n")
    .map((line) => line.split(","));
  return lines.map((cells) =>
    Object.fromEntries(FEATURES.map((name) => [name, Number(cells[header!.indexOf(name)])])),
  );
}
