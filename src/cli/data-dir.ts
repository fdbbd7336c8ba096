// raisin data-dir: where verify looks for the data of recorded runs.
import { addDataPlace, dataPlaces, removeDataPlace } from "../recording/data-places.ts";
import { plain } from "./charts.ts";
import { EXIT, UsageError } from "./exit.ts";
import { printJson, printLines } from "./output.ts";
import { statIfAny } from "./paths.ts";

export interface DataDirFlags {
  readonly store: string;
  readonly json?: boolean;
}

export function runDataDirAdd(directory: string, flags: DataDirFlags): number {
  if (!statIfAny(directory)?.isDirectory()) {
    throw new UsageError(`Cannot add ${directory} as there is no such directory`);
  }
  addDataPlace(flags.store, directory);
  return runDataDirList(flags);
}

export function runDataDirRemove(directory: string, flags: DataDirFlags): number {
  if (removeDataPlace(flags.store, directory) === undefined) {
    throw new UsageError(
      `Cannot remove ${directory} as it was not added: \`raisin data-dir list\` shows those that were`,
    );
  }
  return runDataDirList(flags);
}

export function runDataDirList({ store, json }: DataDirFlags): number {
  const directories = dataPlaces(store);
  if (json) printJson({ directories });
  else printLines(directories.map(plain));
  return EXIT.ok;
}
