// Runs the kit in workerd, to which a core comes as a compiled module: one request for the whole kit, /first for its first case.
import module from "core.wasm";
import text from "kit.txt";
import { runKit } from "runner.mjs";

export default {
  fetch(request) {
    const isFirst = new URL(request.url).pathname === "/first";
    try {
      // A worker's clock stands still while it computes: whoever asks takes the time.
      const { lines, code } = runKit(
        module,
        isFirst ? text.split("\ncase ", 2).join("\ncase ") : text,
      );
      return new Response(`${lines.filter((line) => !line.startsWith("first")).join("\n")}\n`, {
        headers: { "x-code": String(code) },
      });
    } catch (error) {
      return new Response(`error: ${error.message}\n`, { headers: { "x-code": "2" } });
    }
  },
};
