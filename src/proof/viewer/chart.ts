// The losses of a training as a picture: recorded ones broad and grey, those derived again on top.

/** [step, value] pairs. */
export type Curve = [number, number][];

const WIDTH = 860;
const HEIGHT = 260;
const EDGE = 44;
const NAMESPACE = "http://www.w3.org/2000/svg";

/** Replaces what the figure held. @param recorded of training and validation rows @param derived the same, as far as they are known */
export function drawLosses(
  figure: HTMLElement,
  recorded: readonly Curve[],
  derived: readonly Curve[],
): void {
  const points = [...recorded, ...derived].flat();
  const range = (place: 0 | 1) => {
    const values = points.map((point) => point[place]);
    return values.length === 0
      ? ([0, 1] as const)
      : ([
          values.reduce((a, b) => Math.min(a, b)),
          values.reduce((a, b) => Math.max(a, b)),
        ] as const);
  };
  const [[left, right], [bottom, top]] = [range(0), range(1)];
  const x = (step: number) => EDGE + ((step - left) / (right - left || 1)) * (WIDTH - EDGE - 8);
  const y = (value: number) => 8 + ((top - value) / (top - bottom || 1)) * (HEIGHT - 32);
  const picture = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const named = make("title", {});
  named.textContent =
    "Loss against step: grey as recorded, blue as derived here; dashed for validation rows";
  picture.append(named);
  picture.append(
    make("line", { x1: EDGE, y1: HEIGHT - 24, x2: WIDTH - 8, y2: HEIGHT - 24, class: "axis" }),
  );
  for (const [curves, style] of [
    [recorded, "was"],
    [derived, "is"],
  ] as const) {
    curves.forEach((curve, k) => {
      const d = curve
        .map(([step, value], i) => `${i === 0 ? "M" : "L"}${x(step)} ${y(value)}`)
        .join("");
      if (d !== "") picture.append(make("path", { d, class: k === 0 ? style : `${style} val` }));
    });
  }
  const label = (text: string, at: Record<string, number | string>) => {
    const made = make("text", at);
    made.textContent = text;
    picture.append(made);
  };
  label(top.toFixed(3), { x: 0, y: 14 });
  label(bottom.toFixed(3), { x: 0, y: HEIGHT - 26 });
  label(`step ${left}`, { x: EDGE, y: HEIGHT - 6 });
  label(String(right), { x: WIDTH - 8, y: HEIGHT - 6, "text-anchor": "end" });
  const caption = document.createElement("figcaption");
  caption.className = "note";
  caption.textContent = "Loss. Grey: as recorded. Blue: as derived here. Dashed: validation rows.";
  figure.replaceChildren(picture, caption);
}

function make(tag: string, attributes: Record<string, number | string>): SVGElement {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}
