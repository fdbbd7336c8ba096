// Does the report say what changed, how sure that is, and what it does to the predictions; and is it silent otherwise?
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Core } from "../../src/core/core.ts";
import { loadCore } from "../../src/core/node.ts";
import { digestRows } from "../../src/data/digest.ts";
import { encode } from "../../src/data/encoding.ts";
import { datasetFromObjects, inputsOfObjects, type RowObject } from "../../src/data/objects.ts";
import { decodeModel } from "../../src/model/model-file.ts";
import { predictColumns } from "../../src/model/predict.ts";
import {
  type DriftReference,
  type DriftReport,
  type DriftRows,
  driftOf,
  driftScore,
} from "../../src/monitoring/drift.ts";
import { driftHtml } from "../../src/monitoring/drift-html.ts";
import { driftMarkdown } from "../../src/monitoring/drift-markdown.ts";
import { ProfileError, parseProfile } from "../../src/monitoring/profile-file.ts";
import { DEFAULT_PARAMS } from "../../src/training/params.ts";
import { train } from "../../src/training/train.ts";
import { createRandom, type Json } from "../support/cli.ts";

/** Normal numbers: twelve uniform ones added up, less six, which neighbouring seeds of a simple generator do not spoil. */
function normals(seed: number): () => number {
  const random = createRandom(seed * 7919 + 1);
  return () => Array.from({ length: 12 }, random).reduce((sum, one) => sum + one, -6);
}

const JOBS = ["cook", "driver", "nurse"] as const;

/** n people of one population; `by` moves it. */
function people(
  seed: number,
  n: number,
  by: { age?: number; hours?: number; gaps?: number; cooks?: number; spread?: number } = {},
): RowObject[] {
  const normal = normals(seed);
  const random = createRandom(seed * 104_729 + 3);
  return Array.from({ length: n }, () => {
    const age = 40 + 10 * ((by.spread ?? 1) * normal() + (by.age ?? 0));
    const hours = 35 + 5 * (normal() + (by.hours ?? 0));
    return {
      age,
      hours: random() < (by.gaps ?? 0.15) ? null : hours,
      job: random() < (by.cooks ?? 0) ? "cook" : JOBS[Math.floor(random() * 3)]!,
      left: age / 10 + normal() + (hours - 35) / 10 > 4 ? "yes" : "no",
    };
  });
}

async function referenceOf(
  rows: RowObject[],
  options = {},
): Promise<{ reference: DriftReference; score: (rows: RowObject[]) => DriftRows; profile: Json }> {
  const dataset = datasetFromObjects(rows, null, {
    label: "left",
    missing: "indicator",
    ...options,
  });
  const { model, profile } = await trainOn(dataset);
  const { spec, featureNames, w, b, mean, std } = model;
  const reference = {
    profile,
    columns: spec.columns,
    featureNames,
    w,
    b,
    mean,
    std,
    threshold: spec.threshold,
  };
  const score = (some: RowObject[]): DriftRows => {
    const { columns } = encode(inputsOfObjects(spec.columns, some));
    return { columns, ...predictColumns(new Core(loadCore()), model, columns) };
  };
  return { reference, score, profile: JSON.parse(JSON.stringify(profile)) };
}

async function trainOn(dataset: Json) {
  const source = loadCore();
  const rowDigests = digestRows(dataset, new Core(source));
  return (await train(
    source,
    { ...dataset, rowDigests, contentDigest: "0".repeat(64) },
    { ...DEFAULT_PARAMS, iterations: 200, valFraction: 0 },
  )) as Json;
}

const { reference, score, profile } = await referenceOf(people(1, 2000));
const report = (rows: RowObject[], options = {}) => driftOf(reference, score(rows), options);
const named = (all: DriftReport, name: string) =>
  all.features.find((feature) => feature.name === name)!;

describe("a report", () => {
  it("begins with the seed's score: the mean of |z| over the features", () => {
    const rows = people(2, 500, { age: 0.3 });
    const said = report(rows);
    expect(Object.keys(said)[0]).toBe("score");
    const by = reference.featureNames.map((name, j) => {
      const values = rows.map((row) => {
        if (name === "age" || name === "hours")
          return (row[name] as number | null) ?? reference.mean[j]!;
        if (name === "hours is missing") return Number(row.hours === null);
        return Number(`job=${row.job}` === name);
      });
      return (
        (values.reduce((sum, value) => sum + value / values.length, 0) - reference.mean[j]!) /
        reference.std[j]!
      );
    });
    said.features.forEach(({ z_shift: z }, j) => {
      expect(z).toBeCloseTo(by[j]!, 10);
    });
    expect(said.score).toBeCloseTo(
      by.reduce((sum, z) => sum + Math.abs(z) / by.length, 0),
      10,
    );
    const quick = driftScore(reference, score(rows));
    expect(quick.score).toBeCloseTo(said.score, 12);
    expect(quick.noise_floor).toBe(said.noise_floor);
  });

  it("attributes the shift of the mean logit to the features, exactly", () => {
    const { logit, features } = report(people(3, 400, { age: 0.5, hours: -0.4 }));
    const attributed = features.reduce((sum, { logit_shift: shift }) => sum + shift!, 0);
    expect(logit.mean - reference.b).toBeCloseTo(attributed, 11);
    expect(Math.abs(logit.residual!)).toBeLessThan(1e-11);
    expect(logit.train_mean).toBeCloseTo(reference.b, 11);
  });

  it("does not depend on the order of the rows", () => {
    const rows = people(4, 300);
    expect(report([...rows].reverse())).toEqual(report(rows));
  });

  it("gives what chance gives: the noise floor is the mean score of rows like the training rows", () => {
    for (const n of [10, 100]) {
      const scores = Array.from({ length: 300 }, (_, k) => report(people(100 + k, n)).score);
      const mean = scores.reduce((sum, one) => sum + one / scores.length, 0);
      // 300 scores with a deviation of about half their mean: the mean is known to 3 %; four times that.
      expect(Math.abs(mean / report(people(5, n)).noise_floor - 1)).toBeLessThan(0.12);
    }
  });

  it.each([5, 30, 200, 3000])("is silent about %i rows like the training rows", (n) => {
    const count = n > 1000 ? 40 : 200;
    const alarms = Array.from(
      { length: count },
      (_, k) => report(people(1000 + k, n)).verdict,
    ).filter((verdict) => verdict === "drift");
    // The rule allows 1.1 %; of 200, more than 9 would come by chance once in ten thousand times.
    expect(alarms.length).toBeLessThanOrEqual(9);
  });

  it("is silent about features that are the same thing twice", async () => {
    const twin = (rows: RowObject[]) =>
      rows.map(({ age, left }) => ({ a: age, b: Number(age) * 2, c: -Number(age), left }));
    const other = await referenceOf(twin(people(6, 1000)));
    const alarms = Array.from(
      { length: 200 },
      (_, k) => driftOf(other.reference, other.score(twin(people(2000 + k, 50)))).verdict,
    ).filter((verdict) => verdict === "drift");
    expect(alarms.length).toBeLessThanOrEqual(9);
  });

  // Level k of 50 has a share in proportion to 1/(k + 1); 1 % of the flags are up; 0.5 % of x is missing.
  const rare = (seed: number, n: number): RowObject[] => {
    const random = createRandom(seed * 7919 + 5);
    const shares = Array.from({ length: 50 }, (_, k) => 1 / (k + 1));
    const all = shares.reduce((sum, share) => sum + share, 0);
    return Array.from({ length: n }, (_, i) => {
      let left = random() * all;
      const level = shares.findIndex((share) => {
        left -= share;
        return left < 0;
      });
      return {
        level: `level ${String(Math.max(0, level)).padStart(2, "0")}`,
        flag: Number(random() < 0.01),
        x: random() < 0.005 ? null : random(),
        left: i % 2 === 0 ? "yes" : "no",
      };
    });
  };

  it("is silent about rare levels, flags and gaps, as often as they are to be expected", async () => {
    const { reference: of, score: scoreRare } = await referenceOf(rare(1, 5000), {
      missing: "indicator",
    });
    // A normal number in the place of Fisher's test, or chi-squared of all levels, was wrong in 5 to 71 % of these.
    for (const n of [1, 2, 5, 10, 30, 100, 300]) {
      const alarms = Array.from(
        { length: 200 },
        (_, k) => driftOf(of, scoreRare(rare(5000 + k, n))).verdict,
      ).filter((verdict) => verdict === "drift");
      expect(alarms.length, `${n} rows`).toBeLessThanOrEqual(9);
    }
  });

  it("tells of a rare flag that has become frequent", async () => {
    const { reference: of, score: scoreRare } = await referenceOf(rare(1, 5000), {
      missing: "indicator",
    });
    const rows = rare(2, 40).map((row, i) => ({ ...row, flag: Number(i % 4 === 0) }));
    const said = driftOf(of, scoreRare(rows));
    expect(said.reasons.join()).toContain("flag: its mean");
  });

  it("is silent about one row that lacks what every seventh row lacks", () => {
    const row = { ...people(15, 1)[0]!, age: 40, hours: null, job: "cook" };
    const said = report([row]);
    expect(said.verdict).toBe("no_drift");
    const { train, rows, p } = said.missing[0]!;
    expect(rows).toBe(1);
    // Fisher's test of one row: twice the share of such rows among all.
    expect(p).toBeCloseTo((2 * (train * 2000 + 1)) / 2001, 12);
    expect(p).toBe(named(said, "hours is missing").p);
  });

  it.each([
    ["a mean", { age: 1 }, 40, "age: its mean"],
    ["a spread", { spread: 2 }, 200, "age: its distribution"],
    ["a category", { cooks: 0.7 }, 100, "job: its levels"],
    ["missing values", { gaps: 0.6 }, 60, "hours: 60"],
  ])("tells of %s that moved", (_, by, n, reason) => {
    const found = Array.from({ length: 20 }, (_, k) => report(people(3000 + k, n, by))).filter(
      ({ verdict }) => verdict === "drift",
    );
    expect(found.length).toBe(20);
    const reasons = found.flatMap((one) => one.reasons).join("\n");
    expect(reasons).toContain(reason.slice(0, 10));
  });

  it("is silent about a shift too small to matter, however many the rows are", () => {
    const said = report(people(7, 20_000, { age: 0.12 }));
    expect(named(said, "age").p_holm).toBeLessThan(0.01);
    expect(said.verdict).toBe("no_drift");
  });

  it("takes another threshold", () => {
    const rows = people(8, 3000, { age: 0.18 });
    expect(report(rows, { threshold: 1 }).rule.score_above).toBe(1);
    expect(report(rows, { threshold: 0 }).rule.score_above).toBeCloseTo(
      3.29 * Math.sqrt(1 / 3000 + 1 / 2000),
      3,
    );
  });

  it("estimates the accuracy from the probabilities", () => {
    const rows = score(people(9, 1000));
    const { accuracy_estimate: estimate } = driftOf(reference, rows);
    const { tp, fp, tn, fn } = estimate.expected;
    expect(tp + fp + tn + fn).toBeCloseTo(1000, 8);
    const mean = rows.probabilities.reduce((sum, p) => sum + Math.max(p, 1 - p) / 1000, 0);
    expect(estimate.accuracy).toBeCloseTo(mean, 12);
    expect(estimate.positive_share).toBe(rows.probabilities.filter((p) => p >= 0.5).length / 1000);
    expect(estimate.condition).toContain("calibrated");
  });

  it("has numbers only, for one row, huge values, and rows of nothing but gaps", () => {
    const cases = [
      people(10, 1),
      [{ age: 1e300, hours: -1e300, job: "cook" }],
      [{ age: 40, hours: null, job: "nurse" }],
      Array.from({ length: 3 }, () => ({ age: -1e120, hours: 1e120, job: "cook" })),
    ];
    for (const rows of cases) {
      const columns = encode(inputsOfObjects(reference.columns, rows as RowObject[])).columns;
      const logits = Float64Array.from(rows, () => 1e300);
      const said = driftOf(reference, {
        columns,
        logits,
        probabilities: Float64Array.from(rows, () => 1),
      });
      const text = JSON.stringify(said);
      expect(text).not.toMatch(/NaN|Infinity/);
      const check = (value: unknown): void => {
        if (typeof value === "number") expect(Number.isFinite(value)).toBe(true);
        else if (value !== null && typeof value === "object") Object.values(value).forEach(check);
      };
      check(said);
      expect(driftHtml(said, "x")).not.toMatch(/NaN|Infinity/);
    }
    expect(() =>
      driftOf(reference, {
        columns: [],
        logits: new Float64Array(0),
        probabilities: new Float64Array(0),
      }),
    ).toThrow(RangeError);
  });
});

describe("distances", () => {
  /** A model of one number, whose training values are given. */
  const of = async (values: readonly number[]) =>
    referenceOf(values.map((x, i) => ({ x, left: i % 2 === 0 ? "yes" : "no" })));
  const drift = async (train: readonly number[], rows: readonly number[]) => {
    const one = await of(train);
    return driftOf(one.reference, one.score(rows.map((x) => ({ x })))).features[0]!;
  };
  const line = (n: number, from = 0, to = 1) =>
    Array.from({ length: n }, (_, i) => from + ((to - from) * i) / (n - 1));

  it("are about nothing between a sample and itself, and between discrete ones", async () => {
    const same = await drift(line(1000), line(1000));
    expect(same.ks).toBeLessThan(0.011);
    expect(same.psi).toBeCloseTo(0, 3);
    expect(same.out_of_range).toBe(0);
    const dice = Array.from({ length: 1200 }, (_, i) => i % 6);
    expect((await drift(dice, dice)).ks).toBeLessThan(0.011);
  });

  it("are those of shifted samples", async () => {
    // Uniform on [0, 1] against [0.3, 1.3]: the distance of the functions is 0.3, and 0.3 of the rows are above.
    const shifted = await drift(line(1000), line(1000, 0.3, 1.3));
    expect(shifted.ks).toBeGreaterThan(0.28);
    expect(shifted.ks).toBeLessThan(0.302);
    expect(shifted.out_of_range).toBeCloseTo(0.3, 2);
    expect(shifted.ks_resolution).toBeCloseTo(0.01, 12);
  });

  it("are at least that of Kolmogorov and Smirnov, never more", async () => {
    const share = (values: readonly number[], at: number) =>
      values.filter((value) => value <= at).length / values.length;
    for (let seed = 1; seed <= 60; seed++) {
      const random = createRandom(seed * 7919 + 11);
      const draw = () => (seed % 2 === 0 ? Math.floor(random() * 4) : random());
      const [train, rows] = [
        Array.from({ length: 20 + seed }, draw),
        Array.from({ length: 1 + (seed % 9) }, draw),
      ];
      const whole = Math.max(
        ...[...train, ...rows].map((at) => Math.abs(share(train, at) - share(rows, at))),
      );
      expect((await drift(train, rows)).ks, `seed ${seed}`).toBeLessThanOrEqual(whole + 1e-12);
    }
  });

  it("have the PSI of their bins", async () => {
    const { bins, psi } = await drift(line(1000), line(500, 0, 0.5));
    const by = bins!.train.reduce((sum, share, k) => {
      const [p, q] = [Math.max(share, 1e-4), Math.max(bins!.rows[k]!, 1e-4)];
      return sum + (q - p) * Math.log(q / p);
    }, 0);
    expect(psi).toBeCloseTo(by, 12);
    expect(bins!.train.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(bins!.rows.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(bins!.rows).toHaveLength(bins!.edges.length + 1);
  });

  it("of categories take the rarest levels as one, until chance gives five rows of each", async () => {
    const of = (counts: Record<string, number>): RowObject[] =>
      Object.entries(counts).flatMap(([level, n]) =>
        Array.from({ length: n }, (_, i) => ({ level, left: i % 2 === 0 ? "yes" : "no" })),
      );
    const one = await referenceOf(of({ a: 480, b: 300, c: 9, d: 6, e: 5 }));
    const { categories } = driftOf(one.reference, one.score(of({ a: 50, b: 44, c: 4, e: 2 })));
    const { chi_squared: statistic, df, levels } = categories[0]!;
    // Of 900 rows 100 are new: c, d and e, 26 rows in all, would be 2.9 of these, so b joins them.
    const cells = [
      [480, 50],
      [320, 50],
    ];
    const by = cells.reduce((sum, [a, b]) => {
      const [ea, eb] = [((a! + b!) * 800) / 900, ((a! + b!) * 100) / 900];
      return sum + (a! - ea) ** 2 / ea + (b! - eb) ** 2 / eb;
    }, 0);
    expect(statistic).toBeCloseTo(by, 10);
    expect(df).toBe(1);
    expect(levels).toHaveLength(5);
  });

  it("of categories are Pearson's", () => {
    const rows = people(11, 600, { cooks: 0.2 });
    const { categories } = report(rows);
    const { levels, chi_squared: statistic, df, p } = categories[0]!;
    expect(df).toBe(2);
    const counts = levels.map((level) => [level.train * 2000, level.rows * 600]);
    const by = counts.reduce((sum, [a, b]) => {
      const [ea, eb] = [((a! + b!) * 2000) / 2600, ((a! + b!) * 600) / 2600];
      return sum + (a! - ea) ** 2 / ea + (b! - eb) ** 2 / eb;
    }, 0);
    expect(statistic).toBeCloseTo(by, 9);
    expect(p).toBeCloseTo(Math.exp(-by / 2), 12);
    expect(levels.map(({ level }) => level)).toEqual(["cook", "driver", "nurse"]);
  });
});

describe("pages and Markdown", () => {
  const hostile = '</script><b onload="x">|\u202e`*';
  const evil: DriftReport = (() => {
    const said = report(people(12, 200, { age: 2 }));
    return {
      ...said,
      reasons: [`${hostile} moved`],
      features: said.features.map((feature) => ({ ...feature, name: `${hostile}${feature.name}` })),
      categories: said.categories.map((one) => ({
        ...one,
        name: hostile,
        levels: one.levels.map((level) => ({ ...level, level: hostile })),
      })),
      missing: said.missing.map((one) => ({ ...one, name: hostile })),
    };
  })();

  it("have a picture for each number and category, and no script, style from elsewhere or request", () => {
    const html = driftHtml(report(people(13, 200)), "people.csv");
    // age and hours, one category, the logit, and what each feature adds.
    expect(html.match(/<svg/g)).toHaveLength(5);
    expect(html).not.toMatch(/<script|https?:|url\(|@import/);
    expect(html).toContain("default-src 'none'");
  });

  it("show names as text, whatever they are", () => {
    const html = driftHtml(evil, hostile);
    expect(html).not.toMatch(/<\/script|<b |\u202e/);
    expect(html).toContain("&lt;/script&gt;");
    const markdown = driftMarkdown(evil, hostile);
    expect(markdown).not.toMatch(/[^\\]<\/script|\u202e/);
    const table = markdown.split("\n").filter((line) => line.startsWith("|"));
    const widths = new Set(table.map((line) => line.replace(/\\\|/g, "").split("|").length));
    expect([...widths].every((width) => width >= 6)).toBe(true);
  });

  it("say the verdict first", () => {
    expect(driftMarkdown(evil, "x").split("\n")[0]).toBe("# Drift: **yes**");
    expect(driftMarkdown(report(people(14, 100)), "x").split("\n")[0]).toBe("# Drift: no");
  });
});

describe("a profile from a disk", () => {
  const about = { featureNames: reference.featureNames, columns: reference.columns };
  const parse = (value: unknown) =>
    parseProfile(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)), about);

  it("is the one that was written", () => {
    expect(JSON.parse(JSON.stringify(parse(profile)))).toEqual(profile);
  });

  it("may be that of a run from before there were categories", () => {
    const run = new URL("../golden/run-0.1.0/c6d43239bdd5/artifacts/", import.meta.url);
    const { spec, featureNames, mean, std } = decodeModel(
      readFileSync(new URL("model/model.npz", run)),
    );
    const bytes = readFileSync(new URL("train_profile.json", run));
    const read = parseProfile(bytes, { featureNames, columns: spec.columns, mean, std });
    expect([read.categories, read.missing]).toEqual([[], []]);
  });

  it("is refused when it is another run's, though its features have the same names", () => {
    const { mean, std } = reference;
    const bytes = Buffer.from(JSON.stringify(profile));
    expect(parseProfile(bytes, { ...about, mean, std }).rows).toBe(2000);
    const others = mean.map((value, j) => (j === 0 ? value + 1 : value));
    expect(() => parseProfile(bytes, { ...about, mean: others, std })).toThrow(ProfileError);
    const wider = std.map((value) => 2 * value);
    expect(() => parseProfile(bytes, { ...about, mean, std: wider })).toThrow(ProfileError);
  });

  const edited = (edit: (copy: Json) => void) => {
    const copy = JSON.parse(JSON.stringify(profile));
    edit(copy);
    return copy;
  };

  it.each([
    ["text", "{"],
    ["a list", []],
    [
      "another schema",
      edited((copy) => {
        copy.schema = "x";
      }),
    ],
    [
      "no rows",
      edited((copy) => {
        copy.rows = 0;
      }),
    ],
    [
      "half a row",
      edited((copy) => {
        copy.rows = 1.5;
      }),
    ],
    [
      "other features",
      edited((copy) => {
        copy.feature_order.reverse();
      }),
    ],
    [
      "a feature less",
      edited((copy) => {
        copy.features.pop();
      }),
    ],
    [
      "a mean that is text",
      edited((copy) => {
        copy.means[0] = "1";
      }),
    ],
    [
      "a deviation of nothing",
      edited((copy) => {
        copy.stds[0] = 0;
      }),
    ],
    [
      "quantiles that fall",
      edited((copy) => {
        copy.features[0].quantiles.reverse();
      }),
    ],
    [
      "a count below nothing",
      edited((copy) => {
        copy.features[0].histogram.counts[0] = -1;
      }),
    ],
    [
      "edges without counts",
      edited((copy) => {
        copy.features[0].histogram.counts.pop();
      }),
    ],
    [
      "logits without counts",
      edited((copy) => {
        copy.logit.counts.pop();
      }),
    ],
    [
      "another level",
      edited((copy) => {
        copy.categories[0].levels[0].level = "x";
      }),
    ],
    [
      "no categories",
      edited((copy) => {
        copy.categories = [];
      }),
    ],
    [
      "no missing values",
      edited((copy) => {
        copy.missing = undefined;
      }),
    ],
    [
      "counts that are not those of its values",
      edited((copy) => {
        copy.features[0].histogram.counts[0] += 1;
      }),
    ],
    [
      "values and an empty histogram",
      edited((copy) => {
        copy.features[0].histogram = { edges: [], counts: [] };
      }),
    ],
    [
      "more values than rows",
      edited((copy) => {
        copy.features[0].count += 1;
      }),
    ],
    [
      "a minimum above the maximum",
      edited((copy) => {
        copy.features[0].min = copy.features[0].max + 1;
      }),
    ],
    [
      "two means of one feature",
      edited((copy) => {
        copy.features[0].mean += 1;
      }),
    ],
    [
      "levels of more rows than there are",
      edited((copy) => {
        copy.categories[0].levels[0].count += 1;
      }),
    ],
    [
      "fewer missing values than rows without one",
      edited((copy) => {
        copy.missing[0].missing -= 1;
      }),
    ],
    ["null", null],
  ])("is refused when it has %s", (_, value) => {
    expect(() => parse(value)).toThrow(ProfileError);
  });
});
