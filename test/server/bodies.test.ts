// Does every malformed body get a 4xx that names what is wrong, and nothing else?
import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { HeldBytes, parseJson } from "../../src/server/body.ts";
import { HttpError } from "../../src/server/http-error.ts";
import {
  type Answer,
  ask,
  CSV_TYPE,
  FEATURES,
  JSON_TYPE,
  type Opened,
  open,
  post,
  ROW,
  raisinRows,
  trained,
} from "./support.ts";

let server: Opened;
let directory: string;

beforeAll(async () => {
  directory = trained();
  server = await open(directory);
});

/** What every error of the server is. */
function expectError(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.json?.error]).toEqual([status, code]);
  expect(typeof answer.json.message).toBe("string");
  expect(answer.json.message.length).toBeLessThan(300);
  expect(answer.text).not.toMatch(/\bat .*\.(js|ts):\d|node_modules|Error:/);
  expect(answer.headers["content-type"]).toBe("application/json");
}

const without = (name: string) =>
  Object.fromEntries(Object.entries(ROW).filter(([key]) => key !== name));
const replaced = (text: string) =>
  JSON.stringify({ ...ROW, Area: 0 }).replace('"Area":0', `"Area":${text}`);

describe("one object", () => {
  it.each(FEATURES)("without %s is told so", async (name) => {
    const answer = await post(server.port, "/predict", without(name));
    expectError(answer, 400, "missing_feature");
    expect(answer.json.field).toBe(name);
  });

  it.each([
    ["a text", '"1"', "wrong_type"],
    ["true", "true", "wrong_type"],
    ["a list", "[1]", "wrong_type"],
    ["an object", '{"valueOf":1}', "wrong_type"],
    ["null", "null", "missing_value"],
    ["1e400", "1e400", "not_finite"],
    ["a number of 400 digits", "9".repeat(400), "not_finite"],
    ["1e308, too far out", "1e308", "out_of_range"],
  ])("whose Area is %s is told so", async (_, text, code) => {
    // Perimeter has a weight large enough that 1e308 of it leaves the numbers.
    const answer = await post(
      server.port,
      "/predict",
      code === "out_of_range"
        ? {
            ...ROW,
            Perimeter: 1e308,
            Area: -1e308,
            MajorAxisLength: 1e308,
            ConvexArea: 1e308,
            Eccentricity: 1e308,
            Extent: 1e308,
            MinorAxisLength: 1e308,
          }
        : replaced(text),
    );
    expectError(answer, 400, code);
    if (code !== "out_of_range") expect(answer.json.field).toBe("Area");
    else expect(FEATURES).toContain(answer.json.field);
  });

  it.each([
    ["one too many", { ...ROW, Colour: 1 }, "Colour"],
    ["one that is the name of a table's part", { ...ROW, columns: [] }, "columns"],
    ["another case", { ...without("Area"), area: 1, Area: 1 }, "area"],
    [
      "a key of the prototype",
      JSON.stringify(ROW).replace("{", '{"__proto__":{"polluted":1},'),
      "__proto__",
    ],
    ["a name of an inherited method", { ...ROW, constructor: 1, toString: 1 }, "constructor"],
  ])("with %s is told which", async (_, body, field) => {
    const answer = await post(server.port, "/predict", body);
    expectError(answer, 400, "unknown_feature");
    expect(answer.json.field).toBe(field);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it("shows at most 64 characters of a name, and nothing of it as markup", async () => {
    const name = `</script><img src=x onerror=alert(1)>\u202e${"x".repeat(100_000)}`;
    const answer = await post(server.port, "/predict", { ...ROW, [name]: 1 });
    expectError(answer, 400, "unknown_feature");
    expect(Array.from(answer.json.field as string).length).toBeLessThanOrEqual(65);
    expect(answer.text).not.toMatch(/[<>\u202e]/);
  });

  it("with ten thousand keys, or keys that are indexes, is told of one", async () => {
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i]));
    expectError(await post(server.port, "/predict", { ...ROW, ...many }), 400, "unknown_feature");
    const indexes = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [i, i]));
    expectError(
      await post(server.port, "/predict", { ...ROW, ...indexes }),
      400,
      "unknown_feature",
    );
  });
});

describe("a body that is not JSON of the right form", () => {
  it.each([
    ["nothing", "", "invalid_json"],
    ["blanks", "  ", "invalid_json"],
    ["null", "null", "invalid_body"],
    ["a number", "1", "invalid_body"],
    ["a text", '"x"', "invalid_body"],
    ["no rows", "[]", "no_rows"],
    ["a list of numbers", "[1,2]", "invalid_body"],
    ["NaN", replaced("NaN"), "invalid_json"],
    ["a leading zero", replaced("01"), "invalid_json"],
    ["no digit before the point", replaced(".5"), "invalid_json"],
    ["hexadecimals", replaced("0x10"), "invalid_json"],
    ["a trailing comma", replaced("1,}").replace(",}", ","), "invalid_json"],
    ["a comment", `/* x */${JSON.stringify(ROW)}`, "invalid_json"],
    ["two documents", JSON.stringify(ROW).repeat(2), "invalid_json"],
    ["a thousand lists in each other", "[".repeat(1000) + "]".repeat(1000), "invalid_body"],
    ["half a million brackets", "[".repeat(500_000), "invalid_json"],
    ["half a million empty lists", `[${"[],".repeat(250_000)}[]]`, "too_many_rows"],
    ["columns without data", '{"columns":["Area"]}', "invalid_body"],
    ["data that is no list", '{"columns":["Area"],"data":{}}', "invalid_body"],
  ])("is refused: %s", async (_, body, code) => {
    expectError(await post(server.port, "/predict", body), 400, code);
  });

  it("is refused when it is no UTF-8, or begins with a byte order mark", async () => {
    for (const body of [
      Buffer.from(`\ufeff${JSON.stringify(ROW)}`, "utf16le"),
      Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
      Buffer.from(`\ufeff${JSON.stringify(ROW)}`),
    ]) {
      expectError(
        await ask(server.port, "/predict", { headers: JSON_TYPE, body }),
        400,
        "invalid_encoding",
      );
    }
  });

  it("is read by a parser that would otherwise let broken characters through", () => {
    const bytes = Buffer.concat([Buffer.from('{"a'), Buffer.from([0xff]), Buffer.from('":1}')]);
    expect(() => parseJson(bytes)).toThrow(HttpError);
    // The control: a lenient decoder makes a key of it.
    expect(JSON.parse(bytes.toString())).toEqual({ "a\ufffd": 1 });
  });
});

describe("many rows", () => {
  const rows = raisinRows().slice(0, 5);
  const data = rows.map((row) => FEATURES.map((name) => row[name] as unknown));

  it.each([
    [
      "a short row",
      { columns: FEATURES, data: [...data.slice(0, 2), data[2]!.slice(1)] },
      "ragged_rows",
      3,
    ],
    ["a row that is no list", { columns: FEATURES, data: [data[0], 1] }, "invalid_body", 2],
    [
      "a text for a number",
      { columns: FEATURES, data: [data[0], ["1", ...data[1]!.slice(1)]] },
      "wrong_type",
      2,
    ],
    [
      "a name twice",
      { columns: [...FEATURES.slice(1), FEATURES[1]], data },
      "duplicate_feature",
      undefined,
    ],
    [
      "an unknown name",
      { columns: [...FEATURES.slice(1), "Colour"], data },
      "unknown_feature",
      undefined,
    ],
    [
      "a missing name",
      { columns: FEATURES.slice(1), data: data.map((row) => row.slice(1)) },
      "missing_feature",
      undefined,
    ],
    [
      "a name that is none",
      { columns: [...FEATURES.slice(1), 1], data },
      "invalid_body",
      undefined,
    ],
    ["something besides", { columns: FEATURES, data, index: [] }, "invalid_body", undefined],
    ["no rows", { columns: FEATURES, data: [] }, "no_rows", undefined],
    ["an object too little", [rows[0], rows[1], without("Area")], "missing_feature", 3],
    [
      "an object too far out",
      [
        rows[0],
        Object.fromEntries(FEATURES.map((name) => [name, name === "Area" ? -1e308 : 1e308])),
      ],
      "out_of_range",
      2,
    ],
    ["null among objects", [rows[0], null], "invalid_body", 2],
  ])("are refused for %s, and the row is named", async (_, body, code, row) => {
    const answer = await post(server.port, "/predict", body);
    expectError(answer, 400, code);
    expect(answer.json.row).toBe(row);
  });

  it("are at most ten thousand", async () => {
    const many = Array.from({ length: 10_001 }, () => [1]);
    expectError(
      await post(server.port, "/predict", { columns: FEATURES, data: many }),
      400,
      "too_many_rows",
    );
    expectError(
      await post(
        server.port,
        "/predict",
        Array.from({ length: 10_001 }, () => 0),
      ),
      400,
      "too_many_rows",
    );
  });

  it("count for the drift only when all of them were answered", async () => {
    const fresh = await open(directory);
    const far = Object.fromEntries(
      FEATURES.map((name) => [name, name === "Area" ? -1e308 : 1e308]),
    );
    const body = [...Array.from({ length: 1500 }, () => rows[0]), far];
    expectError(await post(fresh.port, "/predict", body), 400, "out_of_range");
    expect((await ask(fresh.port, "/drift")).json.window.rows).toBe(0);
  });

  it.each([
    ["a text", `${FEATURES.join(",")}\nx${",1".repeat(6)}\n`, "wrong_type", "Area", 2],
    [
      "an empty field",
      `${FEATURES.join(",")}\n1${",1".repeat(6)}\n${",1".repeat(6)}\n`,
      "missing_value",
      "Area",
      3,
    ],
    ["a short row", `${FEATURES.join(",")}\n1,2\n`, "ragged_rows", undefined, 2],
    ["Infinity", `${FEATURES.join(",")}\nInfinity${",1".repeat(6)}\n`, "not_finite", "Area", 2],
    [
      "a missing column",
      `${FEATURES.slice(1).join(",")}\n1${",1".repeat(5)}\n`,
      "missing_feature",
      "Area",
      undefined,
    ],
    [
      "one column too many",
      `${FEATURES.join(",")},Colour\n1${",1".repeat(7)}\n`,
      "unknown_feature",
      "Colour",
      undefined,
    ],
    [
      "a column twice",
      `${FEATURES.join(",")},Area\n1${",1".repeat(7)}\n`,
      "duplicate_feature",
      "Area",
      undefined,
    ],
    [
      "an open quote",
      `${FEATURES.join(",")}\n"1${",1".repeat(6)}\n`,
      "invalid_csv",
      undefined,
      undefined,
    ],
    ["no rows", `${FEATURES.join(",")}\n`, "no_rows", undefined, undefined],
    ["nothing", "", "missing_feature", "Area", undefined],
    [
      "no UTF-8",
      Buffer.concat([Buffer.from(`${FEATURES.join(",")}\n`), Buffer.from([0xff, 0xfe, 0x0a])]),
      undefined,
      undefined,
      undefined,
    ],
  ])("as CSV are refused for %s", async (_, body, code, field, line) => {
    const answer = await ask(server.port, "/predict", { headers: CSV_TYPE, body });
    expect(answer.status).toBe(400);
    if (code !== undefined) expectError(answer, 400, code);
    expect(answer.json.field).toBe(code === undefined ? answer.json.field : field);
    if (line !== undefined) expect(answer.json.line).toBe(line);
  });
});

describe("the head of a request with a body", () => {
  it.each([
    ["no type", {}, 415, "unsupported_media_type"],
    ["plain text", { "content-type": "text/plain" }, 415, "unsupported_media_type"],
    [
      "a form",
      { "content-type": "application/x-www-form-urlencoded" },
      415,
      "unsupported_media_type",
    ],
    [
      "another charset",
      { "content-type": "application/json; charset=utf-16" },
      415,
      "unsupported_media_type",
    ],
    ["a type of the prototype", { "content-type": "constructor" }, 415, "unsupported_media_type"],
    ["compression", { ...JSON_TYPE, "content-encoding": "gzip" }, 415, "unsupported_encoding"],
  ])("is refused for %s", async (_, headers, status, code) => {
    expectError(
      await ask(server.port, "/predict", { headers, body: JSON.stringify(ROW) }),
      status,
      code,
    );
  });

  it.each([
    "application/json; charset=utf-8",
    "Application/JSON",
    'application/json; charset="UTF-8"',
  ])("may say %s", async (type) => {
    const answer = await ask(server.port, "/predict", {
      headers: { "content-type": type },
      body: JSON.stringify(ROW),
    });
    expect(answer.status).toBe(200);
  });

  it.each(["explain=maybe", "explain=true&explain=true", "expain=false", "a"])(
    "is refused for ?%s",
    async (query) => {
      expectError(await post(server.port, `/predict?${query}`, ROW), 400, "invalid_query");
    },
  );
});

describe("a body that is too large", () => {
  const large = `[${JSON.stringify(ROW)}${" ".repeat(1 << 20)}]`;

  it("is refused by its declared length, before it is read", async () => {
    expectError(await post(server.port, "/predict", large), 413, "body_too_large");
  });

  it("is refused by what comes, when it does not say how much", async () => {
    const answer = await ask(server.port, "/predict", {
      headers: { ...JSON_TYPE, "transfer-encoding": "chunked" },
      body: large,
    });
    expectError(answer, 413, "body_too_large");
  });

  it("leaves nothing held, nor does any other", () => {
    expect(server.service.held.count).toBe(0);
  });

  it("is told to come again when too much is held, and single rows are not", async () => {
    const { held } = server.service;
    held.add(8 << 20);
    const many = await post(server.port, "/predict", raisinRows());
    expectError(many, 503, "overloaded");
    expect(many.headers["retry-after"]).toBe("1");
    expect((await post(server.port, "/predict", ROW)).status).toBe(200);
    held.give(8 << 20);
    expect((await post(server.port, "/predict", raisinRows())).status).toBe(200);
    expect(held.count).toBe(0);
  });

  it("is not taken when all together hold too much", () => {
    const held = new HeldBytes();
    held.take(8 << 20);
    expect(() => held.take(1)).toThrow(HttpError);
    held.give(1);
    held.take(1);
  });
});

describe("whatever comes", () => {
  afterEach(() => {
    const bad = server.log.lines.filter(({ status }) => status === 500);
    expect(bad).toEqual([]);
  });

  const scalar = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.string({ unit: "binary" }),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom(1e308, -1e308, 5e-324, "NaN", "Infinity"),
  );
  const value = fc.oneof(
    { weight: 6, arbitrary: scalar },
    { weight: 1, arbitrary: fc.jsonValue() },
  );
  const key = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...FEATURES) },
    { weight: 1, arbitrary: fc.string() },
  );
  const row = fc.oneof(
    fc.record(
      Object.fromEntries(
        FEATURES.map((name) => [
          name,
          fc.oneof(
            { weight: 20, arbitrary: fc.double({ noNaN: true }) },
            { weight: 1, arbitrary: value },
          ),
        ]),
      ),
    ),
    fc.dictionary(key, value),
  );
  const body = fc.oneof(
    row,
    fc.array(row, { maxLength: 4 }),
    fc.record({
      columns: fc.array(key),
      data: fc.array(fc.array(value, { maxLength: 8 }), { maxLength: 4 }),
    }),
    fc.jsonValue(),
  );

  it("is answered with 200 and finite numbers, or refused with a code", async () => {
    await fc.assert(
      fc.asyncProperty(body, async (some) => {
        const answer = await post(server.port, "/predict", JSON.stringify(some));
        if (answer.status === 200) {
          expect(answer.text).not.toMatch(/null|NaN|Infinity/);
          return;
        }
        expect(answer.status).toBe(400);
        expect(answer.json.error).toMatch(/^[a-z_]+$/);
      }),
      { numRuns: 1000 },
    );
  });

  it("is refused when the published schema refuses it", async () => {
    const model = server.service.models.current!;
    const { predict } = model.inputs.schemas;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(body, async (some) => {
        const text = JSON.stringify(some);
        const isSound = predict.safeParse(JSON.parse(text)).success;
        const { status, json } = await post(server.port, "/predict", text);
        if (!isSound) {
          refused++;
          expect(status).toBe(400);
        } else if (status !== 200) {
          // What a schema cannot say: how far out a number may be, and which names a table's columns have.
          expect([
            "out_of_range",
            "no_rows",
            "ragged_rows",
            "unknown_feature",
            "missing_feature",
            "duplicate_feature",
            "wrong_type",
          ]).toContain(json.error);
        }
      }),
      { numRuns: 1000 },
    );
    expect(refused).toBeGreaterThan(100);
  });

  it("as CSV gets an answer or a code", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
          fc
            .array(
              fc
                .array(
                  fc.oneof(fc.constantFrom(...FEATURES, "1", "2.5", "", '"', "NA"), fc.string()),
                  { maxLength: 8 },
                )
                .map((cells) => cells.join(",")),
              { maxLength: 5 },
            )
            .map((lines) => Buffer.from([FEATURES.join(","), ...lines].join("\n"))),
        ),
        async (bytes) => {
          const answer = await ask(server.port, "/predict", { headers: CSV_TYPE, body: bytes });
          expect([200, 400]).toContain(answer.status);
          if (answer.status === 400) expect(answer.json.error).toMatch(/^[a-z_]+$/);
        },
      ),
      { numRuns: 500 },
    );
  });
});
