// Types of the files of prom-client that are taken one by one.
declare module "prom-client/lib/registry.js" {
  import { Registry } from "prom-client";
  export default Registry;
}

declare module "prom-client/lib/metrics/*" {
  import type { Registry } from "prom-client";

  const collect: (
    registry: Registry,
    config: { readonly eventLoopMonitoringPrecision: number },
  ) => void;
  export default collect;
}
