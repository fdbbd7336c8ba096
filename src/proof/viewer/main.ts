// The program in a sealed run: one text that is the page's script, the worker behind it, and a command for Node.
import { openAsCommand } from "./command.ts";
import { openAsPage } from "./page.ts";
import { serveAsWorker } from "./worker.ts";

if ("document" in globalThis) openAsPage();
else if ("WorkerGlobalScope" in globalThis) serveAsWorker(globalThis as never);
else void openAsCommand();
