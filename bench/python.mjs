// The Python package against scikit-learn's predict_proba and the seed's loop in NumPy. Needs what `npm run test:python` installs.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { peer, root, spread } from "./support.mjs";

const ROUNDS = 9;

export function benchPython() {
  const python = join(root, "build/python/venv/bin/python");
  console.log("\nthe Python package");
  if (!existsSync(python)) {
    console.log("  not installed: npm run test:python installs it");
    return;
  }
  const found = peer(python, "python_door.py", [String(ROUNDS)]);
  if (found === null) return;
  const { predict, sklearn, sklearn_scaled: scaled, fit, numpy, steps, versions } = found;
  const ratio = (theirs, ours) => spread(theirs.map((seconds, k) => seconds / ours[k]));
  console.log(`  predict_proba, 1,000,000 × 7, s     ${spread(predict, 3)}`);
  console.log(
    `  scikit-learn ${versions.sklearn}, columns as given  ${spread(sklearn, 3)}   ratio ${ratio(sklearn, predict)}   asked: 1`,
  );
  console.log(
    `  the same behind a StandardScaler    ${spread(scaled, 3)}   ratio ${ratio(scaled, predict)}`,
  );
  console.log(`  fit, 100,000 × 16, ${steps} steps, s      ${spread(fit, 3)}`);
  console.log(
    `  NumPy ${versions.numpy}, the seed's loop       ${spread(numpy, 3)}   ratio ${ratio(numpy, fit)}   asked: 1.5`,
  );
}
