// Which process writes a run, and whether it still lives: a run whose process is gone was interrupted.
//
// Design: no heartbeat, since a process that computes without a pause would look dead, and no lock file, since one that
// was killed would look alive. A process is known by its number together with what changes when the number is given
// again: when it was started, and the boot and the process namespace in which the number counts.
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** What tells one process from all others, also from a later one of the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** Boot and process namespace within which the number counts; null where the system does not say. */
  readonly boot: string | null;
  /** When the process was started, in the system's own count; null where it does not say. */
  readonly started: string | null;
}

/** This process. */
export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, host: hostname(), boot: bootOf(), started: startOf(process.pid) };
}

/** Whether a process lives; undefined where that cannot be told from here, as on another machine. */
export function isAlive(identity: unknown): boolean | undefined {
  const { pid, host, boot, started } = (identity ?? {}) as Partial<ProcessIdentity>;
  if (!Number.isSafeInteger(pid) || pid! <= 0 || host !== hostname()) return undefined;
  const here = bootOf();
  if (here !== (boot ?? null)) {
    // The same machine, started again: nothing from before lives. Another container of one machine is another host.
    return bootId(here) === bootId(boot) ? undefined : false;
  }
  if (!exists(pid!)) return false;
  const now = startOf(pid!);
  return now === null || started === null || started === undefined ? true : now === started;
}

function bootId(boot: string | null | undefined): string | undefined {
  return boot?.split(" ")[0];
}

/** As Linux tells it; null elsewhere. */
function bootOf(): string | null {
  try {
    const id = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${id} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return null;
  }
}

/** Clock ticks from boot to start (proc(5), field 22 of stat), "ended" for a zombie; null where there is no such file. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Behind the name of the program, which may hold blanks and brackets itself.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "ended" : (fields[19] ?? null);
  } catch {
    return null;
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process exists as well.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
