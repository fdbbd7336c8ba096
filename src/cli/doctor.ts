// raisin doctor: is the store whole, its history unbroken, and this installation one that was released?
import { loadCore, releaseOf } from "../core/node.ts";
import { diagnose, type Finding } from "../miniflow/doctor.ts";
import { packageVersion } from "../miniflow/version.ts";
import { EXIT } from "./exit.ts";
import { checkForms, type FormFlags, printJson, printLines, tableLines } from "./output.ts";

export interface DoctorFlags extends FormFlags {
  readonly store: string;
  readonly anchor?: string;
}

export function runDoctor(flags: DoctorFlags): number {
  checkForms(flags);
  const { findings, ...rest } = diagnose(flags.store, flags.anchor);
  const core = loadCore().digest;
  const released = releaseOf(core)?.version ?? null;
  const isHealthy = !findings.some(({ level }) => level === "error");
  const answer = {
    healthy: isHealthy,
    store: flags.store,
    ...rest,
    versions: { raisin: packageVersion(), node: process.versions.node },
    core_digest: core,
    core_released: released,
  };
  const code = isHealthy ? EXIT.ok : EXIT.failure;
  if (flags.json) {
    printJson({ ...answer, findings });
    return code;
  }
  const statuses = Object.entries(rest.by_status).map(([status, count]) => `${count} ${status}`);
  const facts: [string, string][] = [
    ["store", flags.store],
    ["runs", rest.runs === 0 ? "0" : `${rest.runs}: ${statuses.join(", ")}`],
    [
      "registry",
      rest.head_sha256 === null
        ? "no generation yet"
        : `generation ${rest.generation}, SHA-256 ${rest.head_sha256}`,
    ],
    ["raisin", `${packageVersion()} on Node ${process.versions.node}`],
    ["core", `${core}, ${released === null ? "of no release" : `released with ${released}`}`],
    ["verdict", isHealthy ? "healthy" : "not healthy"],
  ];
  printLines([
    ...tableLines({ head: ["", ""], rows: facts, left: 2 }, flags).slice(flags.md ? 0 : 1),
    ...(findings.length === 0 ? [] : ["", ...findingLines(findings, flags)]),
  ]);
  return code;
}

function findingLines(findings: readonly Finding[], flags: FormFlags): string[] {
  const rows = findings.map(({ level, path, problem }) => [
    level,
    problem.includes(path) ? problem : `${path}: ${problem}`,
  ]);
  return tableLines({ head: ["", "finding"], rows, left: 2 }, flags);
}
