// Would a cluster take the manifests, and do they keep what is promised: restricted pods, small limits, rolling models?
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { trained } from "../server/support.ts";
import { type Json, ROOT, temporaryDirectory } from "../support/cli.ts";

const BASE = join(ROOT, "deploy/kubernetes/base");
const require = createRequire(import.meta.url);

/** Where kubernetes-models keeps each kind. */
const GROUPS: Readonly<Record<string, string>> = {
  "apps/v1": "apps/v1",
  v1: "v1",
  "autoscaling/v2": "autoscaling/v2",
  "policy/v1": "policy/v1",
  "networking.k8s.io/v1": "networking.k8s.io/v1",
};

const documents = (text: string): Json[] =>
  parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  });

const files = readdirSync(BASE).filter(
  (name) => name.endsWith(".yaml") && name !== "kustomization.yaml",
);
const manifests = files.flatMap((name) => documents(readFileSync(join(BASE, name), "utf8")));
const kustomization = parse(readFileSync(join(BASE, "kustomization.yaml"), "utf8"));
const of = (kind: string): Json => manifests.find((manifest) => manifest.kind === kind);
const deployment = of("Deployment");
const pod = deployment.spec.template.spec;
const [container] = pod.containers;

/** What the API's own schema says of a manifest's values; undefined when nothing. */
function valuesError(manifest: Json): string | undefined {
  const group = GROUPS[manifest.apiVersion];
  if (group === undefined) return `unknown apiVersion ${manifest.apiVersion}`;
  const { [manifest.kind]: Model } = require(`kubernetes-models/${group}/${manifest.kind}`);
  try {
    new Model(manifest).validate();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const scratch: string[] = [];
afterAll(() => {
  for (const path of scratch) rmSync(path, { recursive: true, force: true });
});

/** Fields that the API does not know: TypeScript refuses them in a literal, at every depth. */
function unknownFields(all: readonly Json[]): string {
  // Inside the project, or the types would not be found.
  const folder = mkdtempSync(join(ROOT, "test/.kubernetes-"));
  scratch.push(folder);
  const lines = all.map(
    (manifest, k) =>
      `import type { I${manifest.kind} as T${k} } from "kubernetes-models/${GROUPS[manifest.apiVersion]}/${manifest.kind}";\nexport const m${k}: T${k} = ${JSON.stringify(manifest)};`,
  );
  const file = join(folder, "manifests.ts");
  writeFileSync(file, `${lines.join("\n")}\n`);
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const { stdout } = spawnSync(
    process.execPath,
    [
      tsc,
      "--ignoreConfig",
      "--noEmit",
      "--strict",
      "--skipLibCheck",
      "--module",
      "nodenext",
      "--target",
      "es2022",
      file,
    ],
    { encoding: "utf8", cwd: ROOT },
  );
  rmSync(folder, { recursive: true, force: true });
  return stdout.replaceAll(folder, "").trim();
}

const edited = (manifest: Json, edit: (copy: Json) => void): Json => {
  const copy = structuredClone(manifest);
  edit(copy);
  return copy;
};

describe("the manifests", () => {
  it("are all there, and the kustomization names them", () => {
    expect(manifests.map(({ kind }) => kind).sort()).toEqual([
      "Deployment",
      "HorizontalPodAutoscaler",
      "Namespace",
      "NetworkPolicy",
      "PodDisruptionBudget",
      "Service",
      "ServiceAccount",
    ]);
    expect([...kustomization.resources].sort()).toEqual([...files].sort());
  });

  it.each(manifests.map((manifest) => [manifest.kind, manifest] as const))(
    "have sound values: %s",
    (_, manifest) => {
      expect(valuesError(manifest)).toBeUndefined();
    },
  );

  it.each([
    [
      "a quantity that is none",
      (copy: Json) => {
        copy.spec.template.spec.containers[0].resources.limits.memory = "128Mib";
      },
    ],
    [
      "a text for a number",
      (copy: Json) => {
        copy.spec.replicas = "2";
      },
    ],
    [
      "no selector",
      (copy: Json) => {
        delete copy.spec.selector;
      },
    ],
  ])("would be refused with %s: the control", (_, edit) => {
    expect(valuesError(edited(deployment, edit))).toBeDefined();
  });

  it("have no field that the API does not know", () => {
    expect(unknownFields(manifests)).toBe("");
  }, 60_000);

  it("would be refused with one: the control", () => {
    const broken = [
      edited(deployment, (copy) => {
        copy.spec.template.spec.containers[0].resourcez = {};
      }),
      edited(of("NetworkPolicy"), (copy) => {
        copy.spec.ingres = [];
      }),
    ];
    const found = unknownFields(broken);
    expect(found).toContain("resourcez");
    expect(found).toContain("ingres");
  }, 60_000);
});

/** Pod Security "restricted" and the practices that kube-score asks for, as far as they concern these manifests. */
const RULES: Readonly<Record<string, (spec: Json) => boolean>> = {
  "runs as no root": (spec) =>
    spec.securityContext.runAsNonRoot === true && spec.securityContext.runAsUser > 10_000,
  "has a numeric group": (spec) => spec.securityContext.runAsGroup > 10_000,
  "has the runtime's seccomp profile": (spec) =>
    spec.securityContext.seccompProfile.type === "RuntimeDefault",
  "gains no privileges": (spec) =>
    spec.containers.every((one: Json) => one.securityContext.allowPrivilegeEscalation === false),
  "drops every capability": (spec) =>
    spec.containers.every(
      (one: Json) =>
        one.securityContext.capabilities.drop.includes("ALL") &&
        one.securityContext.capabilities.add === undefined,
    ),
  "cannot write its root": (spec) =>
    spec.containers.every((one: Json) => one.securityContext.readOnlyRootFilesystem === true),
  "is not privileged": (spec) =>
    spec.containers.every((one: Json) => one.securityContext.privileged !== true),
  "shares nothing of the host": (spec) =>
    !spec.hostNetwork &&
    !spec.hostPID &&
    !spec.hostIPC &&
    spec.containers.every((one: Json) =>
      one.ports.every((port: Json) => port.hostPort === undefined),
    ),
  "mounts only volumes that are allowed": (spec) =>
    spec.volumes.every((volume: Json) =>
      Object.keys(volume).every((key) =>
        ["name", "configMap", "emptyDir", "secret", "projected", "persistentVolumeClaim"].includes(
          key,
        ),
      ),
    ),
  "has no token": (spec) => spec.automountServiceAccountToken === false,
  "has no service links": (spec) => spec.enableServiceLinks === false,
  "asks for 100m and 128Mi": (spec) =>
    spec.containers[0].resources.requests.cpu === "100m" &&
    spec.containers[0].resources.requests.memory === "128Mi",
  "is limited to 128Mi, all of it requested": (spec) =>
    spec.containers[0].resources.limits.memory === spec.containers[0].resources.requests.memory,
  "limits its disk": (spec) =>
    spec.containers[0].resources.limits["ephemeral-storage"] !== undefined,
  "has probes of its own kind each": (spec) =>
    spec.containers[0].livenessProbe.httpGet.path !==
      spec.containers[0].readinessProbe.httpGet.path &&
    spec.containers[0].startupProbe !== undefined,
  "gives the start 30 s": (spec) =>
    spec.containers[0].startupProbe.periodSeconds *
      spec.containers[0].startupProbe.failureThreshold >=
    30,
  "is told not ready by more than one probe": (spec) =>
    spec.containers[0].readinessProbe.failureThreshold >= 2,
  "has time to drain": (spec) => spec.terminationGracePeriodSeconds > 25,
  "spreads over hosts": (spec) =>
    spec.topologySpreadConstraints.length > 0 && spec.affinity.podAntiAffinity !== undefined,
  "pulls as it says": (spec) =>
    spec.containers.every((one: Json) => one.imagePullPolicy !== undefined),
};

describe("a pod", () => {
  it.each(Object.keys(RULES))("%s", (name) => {
    expect(RULES[name]!(pod)).toBe(true);
  });

  it.each([
    [
      "runs as no root",
      (copy: Json) => {
        copy.securityContext.runAsUser = 0;
      },
    ],
    [
      "has the runtime's seccomp profile",
      (copy: Json) => {
        copy.securityContext.seccompProfile.type = "Unconfined";
      },
    ],
    [
      "gains no privileges",
      (copy: Json) => {
        copy.containers[0].securityContext.allowPrivilegeEscalation = true;
      },
    ],
    [
      "drops every capability",
      (copy: Json) => {
        copy.containers[0].securityContext.capabilities.add = ["NET_ADMIN"];
      },
    ],
    [
      "cannot write its root",
      (copy: Json) => {
        copy.containers[0].securityContext.readOnlyRootFilesystem = false;
      },
    ],
    [
      "mounts only volumes that are allowed",
      (copy: Json) => {
        copy.volumes.push({ name: "x", hostPath: { path: "/" } });
      },
    ],
    [
      "is limited to 128Mi, all of it requested",
      (copy: Json) => {
        copy.containers[0].resources.limits.memory = "1Gi";
      },
    ],
    [
      "has probes of its own kind each",
      (copy: Json) => {
        copy.containers[0].livenessProbe = copy.containers[0].readinessProbe;
      },
    ],
    [
      "has time to drain",
      (copy: Json) => {
        copy.terminationGracePeriodSeconds = 10;
      },
    ],
  ])("that does not fails the rule: %s", (name, edit) => {
    expect(RULES[name]!(edited(pod, edit))).toBe(false);
  });

  it("serves the model of the ConfigMap", () => {
    expect(container.args).toEqual(["--model-file", "/model"]);
    const [mount] = container.volumeMounts;
    expect(mount).toMatchObject({ mountPath: "/model", readOnly: true });
    const volume = pod.volumes.find(({ name }: Json) => name === mount.name);
    expect(volume.configMap.name).toBe(kustomization.configMapGenerator[0].name);
    expect(kustomization.configMapGenerator[0].options?.disableNameSuffixHash).toBeUndefined();
  });
});

describe("the others", () => {
  it("agree on whom they select", () => {
    const { labels } = deployment.spec.template.metadata;
    for (const selector of [
      deployment.spec.selector.matchLabels,
      of("Service").spec.selector,
      of("PodDisruptionBudget").spec.selector.matchLabels,
      of("NetworkPolicy").spec.podSelector.matchLabels,
    ]) {
      expect(labels).toMatchObject(selector);
    }
    expect(of("HorizontalPodAutoscaler").spec.scaleTargetRef.name).toBe(deployment.metadata.name);
    expect(pod.serviceAccountName).toBe(of("ServiceAccount").metadata.name);
  });

  it("lose no pod in a rollout, let one go in a drain, and let nothing out", () => {
    expect(deployment.spec.strategy.rollingUpdate).toEqual({ maxUnavailable: 0, maxSurge: 1 });
    expect(of("PodDisruptionBudget").spec.maxUnavailable).toBe(1);
    expect(of("NetworkPolicy").spec).toMatchObject({
      policyTypes: ["Ingress", "Egress"],
      egress: [],
    });
    expect(of("Namespace").metadata.labels["pod-security.kubernetes.io/enforce"]).toBe(
      "restricted",
    );
    const { minReplicas, maxReplicas, metrics } = of("HorizontalPodAutoscaler").spec;
    expect([minReplicas, maxReplicas, metrics[0].resource.target.averageUtilization]).toEqual([
      2, 6, 70,
    ]);
  });
});

const kubectl = spawnSync("kubectl", ["version", "--client"]).status === 0;

describe.skipIf(!kubectl)("what kustomize makes of it (skipped where there is no kubectl)", () => {
  /** A copy with a model in it. */
  function withModel(args: readonly string[]): string {
    const directory = trained(args);
    const copy = temporaryDirectory();
    const script = join(ROOT, "scripts/deploy-model.mjs");
    cpSync(join(ROOT, "deploy/kubernetes"), copy, { recursive: true });
    const { status, stderr } = spawnSync(
      process.execPath,
      [script, "--to", join(copy, "base/model")],
      { cwd: directory, encoding: "utf8" },
    );
    if (status !== 0) throw new Error(stderr);
    return copy;
  }

  const build = (folder: string): Json[] => {
    const { stdout, stderr, status } = spawnSync("kubectl", ["kustomize", folder], {
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    if (status !== 0) throw new Error(stderr);
    return documents(stdout).map((one) =>
      // The API takes base64 with line ends; the schema's pattern does not.
      edited(one, ({ binaryData = {} }) => {
        for (const key in binaryData) binaryData[key] = binaryData[key].replace(/\s/g, "");
      }),
    );
  };
  const kindOf = (all: Json[], kind: string): Json => all.find((one) => one.kind === kind);

  it("is valid, and another model is another ConfigMap that the Deployment names", () => {
    const [one, two] = [withModel([]), withModel(["--iterations", "100"])];
    const first = build(join(one, "base"));
    const second = build(join(two, "base"));
    for (const manifest of first)
      expect([manifest.kind, valuesError(manifest)]).toEqual([manifest.kind, undefined]);
    const nameOf = (all: Json[]) => kindOf(all, "ConfigMap").metadata.name;
    expect(nameOf(first)).not.toBe(nameOf(second));
    expect(nameOf(first)).toMatch(/^raisin-model-[a-z0-9]+$/);
    for (const all of [first, second]) {
      expect(kindOf(all, "Deployment").spec.template.spec.volumes[0].configMap.name).toBe(
        nameOf(all),
      );
    }
    expect(Object.keys(kindOf(first, "ConfigMap").binaryData)).toEqual(["model.npz"]);
    // The same model again: the same name, so nothing rolls.
    expect(nameOf(build(join(one, "base")))).toBe(nameOf(first));
    expect(unknownFields(first.filter(({ kind }) => kind !== "ConfigMap"))).toBe("");
  }, 120_000);

  it("without a CPU limit differs in just that", () => {
    const copy = withModel([]);
    const [base, overlay] = ["base", "overlays/no-cpu-limit"].map((folder) =>
      build(join(copy, folder)),
    );
    const resources = (all: Json[]) =>
      kindOf(all, "Deployment").spec.template.spec.containers[0].resources;
    expect(resources(base!).limits.cpu).toBe("100m");
    expect(resources(overlay!).limits).toEqual({ memory: "128Mi", "ephemeral-storage": "16Mi" });
    expect(resources(overlay!).requests.cpu).toBe("100m");
    const without = (all: Json[]) =>
      all.map((one) =>
        edited(one, (changed) => {
          if (changed.kind === "Deployment")
            delete changed.spec.template.spec.containers[0].resources;
        }),
      );
    expect(without(overlay!)).toEqual(without(base!));
  }, 60_000);
});

describe("deploy:model", () => {
  const script = join(ROOT, "scripts/deploy-model.mjs");
  it.each([
    [["0123456789ab"], "There is no run"],
    [["../../etc"], "is no run id"],
    [["--store", "nowhere"], "There is no production model"],
  ])("refuses %j with a word on what to do", (args, message) => {
    const directory = trained();
    const { status, stderr } = spawnSync(
      process.execPath,
      [script, "--to", join(directory, "out"), ...args],
      { cwd: directory, encoding: "utf8" },
    );
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });
});
