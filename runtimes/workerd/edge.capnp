# The example's worker. All files stand beside this one when it is served (../edge.mjs puts them there).
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "edge", worker = .edge)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "edge")],
);

const edge :Workerd.Worker = (
  modules = [
    (name = "worker.mjs", esModule = embed "worker.mjs"),
    (name = "raisin-edge.mjs", esModule = embed "raisin-edge.mjs"),
    (name = "core.wasm", wasm = embed "core.wasm"),
    (name = "model.npz", data = embed "model.npz"),
  ],
  compatibilityDate = "2026-11-01",
);
