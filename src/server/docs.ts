// The documentation page: made of the OpenAPI document, without a script, and with nothing from elsewhere.
import { escapeHtml } from "../data/html.ts";

type Json = Readonly<Record<string, unknown>>;

export const DOCS_STYLE = `:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { overflow: auto; max-height: 30rem; padding: .75rem; border: 1px solid #8886; border-radius: 6px; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886; }
section { margin: 1.25rem 0; }
summary { cursor: pointer; }
.method { display: inline-block; min-width: 3.5rem; font-weight: 700; text-transform: uppercase; }
.errors td { padding: .1rem 1rem .1rem 0; vertical-align: top; }
`;

/** @param document as `openapiOf` gives it */
export function docsPage(document: Json): string {
  const { info, paths } = document as {
    info: { title: string; description: string; version: string };
    paths: Record<string, Record<string, Json>>;
  };
  const groups = new Map<string, string[]>();
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const [tag] = operation.tags as [string];
      groups.set(tag, [...(groups.get(tag) ?? []), operationOf(path, method, operation)]);
    }
  }
  const sections = [...groups]
    .map(([tag, parts]) => `<h2>${escapeHtml(tag)}</h2>\n${parts.join("\n")}`)
    .join("\n");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(info.title)}</title>
<link rel="stylesheet" href="docs/style.css">
</head>
<body>
<h1>${escapeHtml(info.title)}</h1>
<p>${escapeHtml(info.description)}</p>
<p>Version ${escapeHtml(info.version)}. The same for programs: <a href="openapi.json">openapi.json</a>.</p>
${sections}
</body>
</html>
`;
}

function operationOf(path: string, method: string, operation: Json): string {
  const { summary, parameters, requestBody, responses } = operation as {
    summary: string;
    parameters?: readonly { name: string; in: string; description?: string }[];
    requestBody?: { content: Record<string, { schema: unknown; example?: unknown }> };
    responses: Record<
      string,
      { description: string; content?: Record<string, { schema?: unknown }> }
    >;
  };
  const parts = [
    `<p><span class="method">${method}</span> <code>${escapeHtml(path)}</code></p>`,
    `<p>${escapeHtml(summary)}.</p>`,
  ];
  for (const { name, in: where, description } of parameters ?? []) {
    parts.push(
      `<p>Parameter <code>${escapeHtml(name)}</code> (${where}): ${escapeHtml(description ?? "")}.</p>`,
    );
  }
  const example = requestBody?.content["application/json"]?.example;
  if (example !== undefined) {
    const body = JSON.stringify(example).replaceAll("'", "'\\''");
    parts.push(
      `<pre>${escapeHtml(`curl -X ${method.toUpperCase()} http://localhost:8000${path} -H "Content-Type: application/json" -d '${body}'`)}</pre>`,
    );
  }
  for (const [type, { schema }] of Object.entries(requestBody?.content ?? {})) {
    parts.push(details(`Body, ${type}`, schema));
  }
  for (const [type, { schema }] of Object.entries(responses["200"]?.content ?? {})) {
    parts.push(details(`Answer, ${type}`, schema));
  }
  const rows = Object.entries(responses)
    .filter(([status]) => status !== "200")
    .map(
      ([status, { description }]) =>
        `<tr><td>${status}</td><td>${escapeHtml(description)}</td></tr>`,
    );
  parts.push(`<table class="errors">${rows.join("")}</table>`);
  return `<section>${parts.join("\n")}</section>`;
}

function details(title: string, schema: unknown): string {
  return `<details><summary>${escapeHtml(title)}</summary><pre>${escapeHtml(JSON.stringify(schema, null, 2))}</pre></details>`;
}
