// Runs the kit on gjs, which has Firefox's engine: gjs -m run.js core.wasm kit.txt
import Gio from "gi://Gio";
import GLib from "gi://GLib";
import System from "system";
import { runKit } from "../js/kit.mjs";

const now = () => GLib.get_monotonic_time() / 1000;
const start = now();
const [core, kit] = System.programArgs;
const read = (path) => Gio.File.new_for_path(path).load_contents(null)[1];
try {
  const module = new WebAssembly.Module(read(core));
  const { lines, code } = runKit(module, new TextDecoder().decode(read(kit)), start, now);
  print(lines.join("\n"));
  System.exit(code);
} catch (error) {
  printerr(`error: ${error.message}`);
  System.exit(2);
}
