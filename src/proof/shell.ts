// The markup round a sealed run's script: the same in every sealed run of a version.
//
// Design: no tag that a parser would do without, since one that it overlooks could be altered without a trace in the page.

const STYLE = [
  ":root{color-scheme:light dark;--grey:#8a8f98;--blue:#2f6fde;--bad:#c2362b;--good:#2c7a3f}",
  "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1.5rem}",
  // What the file says without its program shows only where that does not begin.
  "main{animation:late 0s 1.5s backwards}@keyframes late{from{visibility:hidden}}",
  "h1{margin-bottom:0}table{border-collapse:collapse;margin:.5rem 0}",
  "td,th{padding:.15rem .9rem .15rem 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}",
  "th{white-space:nowrap}code{font-size:13px}.note{color:var(--grey)}.good{color:var(--good)}.bad{color:var(--bad)}",
  "#drop{display:block;border:2px dashed var(--grey);border-radius:10px;padding:1.6rem;margin:1rem 0;text-align:center}",
  "#drop.over{border-color:var(--blue)}#verdict{font-size:1.3rem;font-weight:600;margin:1rem 0}",
  "#why{white-space:pre-wrap;overflow-wrap:anywhere}svg{width:100%;height:auto}",
  ".was{fill:none;stroke:var(--grey);stroke-width:5;stroke-opacity:.45}.is{fill:none;stroke:var(--blue);stroke-width:1.6}",
  ".val{stroke-dasharray:5 4}svg text{font:11px system-ui,sans-serif;fill:currentColor}.axis{stroke:#8888}",
  "pre{white-space:pre-wrap;font-size:12px}progress{width:100%}",
].join("");

/** No request can leave: there is no source that the policy lets through but the file itself. */
const POLICY =
  "default-src 'none';script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:;worker-src blob:;style-src 'unsafe-inline';base-uri 'none';form-action 'none'";

/** What stands before the one line of script. */
export const PREFIX = `<!doctype html>
<!-- A sealed run of raisin. Open it in a browser, or: grep '^/\\*proof\\*/' proof.html > proof.mjs && node proof.mjs data.csv -->
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>Sealed run</title>
<style>${STYLE}</style>
<main id="page">This sealed run cannot be read: it is truncated or altered, or scripts are off.</main>
<script type="module">
`;

/** What stands behind it. */
export const SUFFIX = `
</script>
`;
