// Rebuilds and tests while you edit: any change under assembly/ builds the cores anew, vitest runs what is affected.
import { spawn, spawnSync } from "node:child_process";
import { watch } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const build = () =>
  spawnSync(process.execPath, ["scripts/build.mjs"], { cwd: root, stdio: "inherit" });

build();
let timer;
for (const folder of ["assembly", "src"]) {
  watch(new URL(`../${folder}`, import.meta.url), { recursive: true }, () => {
    clearTimeout(timer);
    timer = setTimeout(build, 200); // an editor's save is several events
  });
}
const vitest = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "watch"], {
  cwd: root,
  stdio: "inherit",
});
vitest.on("exit", (code) => process.exit(code ?? 0));
