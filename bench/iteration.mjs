// One step of gradient descent: ours on one thread against the seed's NumPy loop with its own threads, in turn.
import { Core } from "../build/dist/core/core.js";
import { loadCore } from "../build/dist/core/node.js";
import { peer, pythons, spread } from "./support.mjs";

const SIZES = [
  { n: 900, d: 7, steps: 5000, target: 2.5, aim: 4 },
  { n: 1_000_000, d: 32, steps: 8, target: 1.6, aim: null },
];
const ROUNDS = 7;

/** Rows of a fixed generator, already about standardised, as NumPy's side makes them too. */
function makeRows(n, d) {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const columns = Array.from({ length: d }, () => Float64Array.from({ length: n }, next));
  return { columns, y: Uint8Array.from({ length: n }, (_, i) => Number(i % 3 === 0)) };
}

export function benchIteration() {
  for (const { n, d, steps, target, aim } of SIZES) {
    const { columns, y } = makeRows(n, d);
    const core = new Core(loadCore());
    const unit = new Float64Array(d).fill(1);
    const rows = core.rows({ columns, y, mean: new Float64Array(d), std: unit });
    const start = new Float64Array(d + 1);
    const ours = () => {
      const from = performance.now();
      rows.descend(start, unit, { lr: 0.1, l2: 0, steps });
      return ((performance.now() - from) / steps) * 1000;
    };
    ours(); // the engine's optimising tier
    console.log(`\n${n} x ${d}, µs a step, ${ROUNDS} rounds in turn`);
    const own = [];
    const theirs = [];
    for (let round = 0; round < ROUNDS; round++) {
      own.push(ours());
      const answer = peer(pythons.newest, "iteration_numpy.py", [n, d, steps].map(String));
      if (answer === null) break;
      theirs.push(answer.us);
      if (round === 0) console.log(`  peer: NumPy ${answer.numpy}`);
    }
    console.log(`  ours   ${spread(own)}`);
    if (theirs.length === 0) continue;
    const ratios = theirs.map((us, k) => us / own[k]);
    console.log(`  NumPy  ${spread(theirs)}`);
    console.log(`  ratio  ${spread(ratios)}   asked: ${target}${aim ? `, aimed at: ${aim}` : ""}`);
  }
}
