# The kit's worker. All files stand beside this one when it is served (run.mjs puts them there).
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "kit", worker = .kit)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "kit")],
);

const kit :Workerd.Worker = (
  modules = [
    (name = "worker.mjs", esModule = embed "worker.mjs"),
    (name = "runner.mjs", esModule = embed "runner.mjs"),
    (name = "core.wasm", wasm = embed "core.wasm"),
    (name = "kit.txt", text = embed "kit.txt"),
  ],
  compatibilityDate = "2026-11-01",
);
