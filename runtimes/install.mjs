// Installs the packages of a folder's lockfile, unless they are there: for tests that need more than the project itself.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Packages of a lockfile with their digests; those of another platform are left out by npm. */
function packagesOf(path) {
  return Object.entries(JSON.parse(readFileSync(path, "utf8")).packages)
    .filter(([name, { os, cpu }]) => {
      const isHere = (list, value) => list === undefined || [list].flat().includes(value);
      return name !== "" && isHere(os, process.platform) && isHere(cpu, process.arch);
    })
    .map(([name, { integrity }]) => `${name} ${integrity}`);
}

/** @returns whether they are there now */
export function install(folder) {
  const installed = join(folder, "node_modules/.package-lock.json");
  const wanted = packagesOf(join(folder, "package-lock.json"));
  const isThere = () => {
    const present = existsSync(installed) ? packagesOf(installed) : [];
    return wanted.every((one) => present.includes(one));
  };
  if (isThere()) return true;
  const shell = process.platform === "win32";
  spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, stdio: "inherit", shell });
  return isThere();
}
