# Holds the expected figures of kit.txt against the same figures in 50 digits. Needs mpmath: python check.py kit.txt
import struct
import sys

from mpmath import exp, fabs, log, mp, mpf, sqrt

mp.dps = 50
# How far f64 may be from the truth, relative to the largest magnitude that goes into a figure: roundings of one division,
# of d + 1 additions, of exp (2 ulp), of sums (2^-42 of their bound), and of all these over 200 steps.
TOLERANCE = {
    "mean": 4e-16,
    "std": 4e-16,
    "bounds": 4e-15,
    "scaled": 4e-15,
    "logits": 2e-14,
    "probabilities": 2e-14,
    "score": 2e-14,
    "gradient": 1e-11,
    "trained": 1e-11,
    "predicted": 1e-11,
    "contributions": 1e-11,
    "exp": 2.3e-16,  # 1 ulp is at most 2^-52 of the value
    "log": 2.3e-16,
    "sum": 2e-16,
}
EPSILON = mpf("1e-12")


def number(word):
    return mpf(struct.unpack(">d", bytes.fromhex(word))[0])


def read(path):
    """Cases by name: what was put, what is expected, the calls."""
    cases = {}
    for line in open(path, encoding="utf-8"):
        verb, *words = line.split() or ["#"]
        if verb == "case":
            case = cases[words[0]] = {"put": {}, "expect": {}, "calls": []}
        elif verb in ("put", "expect"):
            # Digests are bytes, and no figures.
            if words[0] != "digests":
                case[verb][words[0]] = [number(word) for word in words[2:]]
        elif verb == "call":
            case["calls"].append(words)
    return cases


def sigmoid(z):
    return 1 / (1 + exp(-min(max(z, mpf(-35)), mpf(35))))


def columns_of(case, prefix, count):
    return [case["put"][f"{prefix}.{j}"] for j in range(count)]


def training(case, expect):
    """The figures of a training from its columns; with the model's own mean and std once these are checked, since they
    are rounded: of a column at 1.7e12 that moves every value."""
    call = {words[0]: words[1:] for words in case["calls"]}
    n, d = int(call["descend"][1]), int(call["descend"][2])
    lr, l2 = (number(word[1:]) for word in call["descend"][7:9])
    steps = int(call["descend"][9])
    columns = columns_of(case, "column", d)
    mean = [sum(column) / n for column in columns]
    std = [
        sqrt(sum((x - c) ** 2 for x in column) / n) if max(column) > min(column) else mpf(1)
        for column, c in zip(columns, mean)
    ]
    yield "mean", mean, [expect[f"moments.{j}"][0] for j in range(d)], [max(map(fabs, c)) for c in columns]
    yield "std", std, [expect[f"moments.{j}"][1] for j in range(d)], std
    mean, std = ([expect[f"moments.{j}"][k] for j in range(d)] for k in (0, 1))
    rows = [[(columns[j][i] - mean[j]) / std[j] for j in range(d)] for i in range(n)]
    yield "bounds", [max(fabs(row[j]) for row in rows) for j in range(d)], case["put"]["bounds"][:d], None
    scaled = [mpf(0)] * (8 * ((n + 7) // 8) * d)
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            scaled[(i // 8 * d + j) * 8 + i % 8] = value
    yield "scaled", scaled, expect["scaled"], None
    yield from fitted(rows, case, expect, lr, l2, steps, [mpf(1)] * n)
    new = columns_of(case, "new", d)
    fresh = [[(new[j][i] - mean[j]) / std[j] for j in range(d)] for i in range(len(new[0]))]
    w = expect["trained"]
    yield "contributions", [w[j] * row[j] for row in fresh for j in range(d)], expect["contributions"], None
    yield "predicted", [sigmoid(logit(row, w)) for row in fresh], expect["predicted"], None


def logit(row, w):
    return w[len(row)] + sum(a * b for a, b in zip(w, row))


def fitted(rows, case, expect, lr, l2, steps, s):
    n, d, total = len(rows), len(rows[0]), sum(s)
    y = case["put"]["labels"][:n]

    def gradient(w):
        errors = [a * (sigmoid(logit(row, w)) - label) for a, row, label in zip(s, rows, y)]
        slopes = [sum(e * row[j] for e, row in zip(errors, rows)) / total for j in range(d)]
        return [g + l2 * w[j] for j, g in enumerate(slopes)] + [sum(errors) / total]

    w = [mpf(0)] * (d + 1)
    at = case["put"].get("weights", w)
    yield "gradient", gradient(at), expect["gradient"], None
    for _ in range(steps):
        w = [a - lr * g for a, g in zip(w, gradient(w))]
    yield "trained", w, expect["trained"], None
    scored = at if "logits" in expect else expect["trained"]
    logits = [logit(row, scored) for row in rows]
    p = [sigmoid(z) for z in logits]
    if "logits" in expect:
        yield "logits", logits, expect["logits"], None
        yield "probabilities", p, expect["probabilities"], None
    clipped = [min(max(value, EPSILON), 1 - EPSILON) for value in p]
    losses = [-a * (log(c) if label else log(1 - c)) for a, c, label in zip(s, clipped, y)]
    squares = [a * (b - label) ** 2 for a, b, label in zip(s, p, y)]
    right = [a for a, b, label in zip(s, p, y) if (b >= 0.5) == bool(label)]
    yield "score", [sum(losses), sum(squares), sum(right)], expect["score"], None


def mixed(case, expect):
    """Categories, gaps and row weights, from the rows as they were scaled."""
    call = {words[0]: words[1:] for words in case["calls"]}
    n, d = int(call["weightedDescend"][1]), int(call["weightedDescend"][2])
    s = case["put"]["row_weights"][:n]
    rows = [[expect["scaled"][(i // 8 * d + j) * 8 + i % 8] for j in range(d)] for i in range(n)]
    lr, l2 = (number(word[1:]) for word in call["weightedDescend"][9:11])
    steps = int(call["weightedDescend"][11])
    x = case["put"]["present"][: int(call["momentsOfPresent"][1])]
    mean = sum(x) / len(x)
    yield "mean", [mean], [expect["moments.0"][0]], [max(map(fabs, x))]
    std = sqrt(sum((value - mean) ** 2 for value in x) / n)
    yield "std", [std], [expect["moments.0"][1]], None
    yield "sum", [sum(s)], expect["sum"], None
    yield from fitted(rows, case, expect, lr, l2, steps, s)


def functions(case, expect):
    put = case["put"]
    yield "exp", [exp(x) for x in put["x"]], expect["exp"], [exp(x) for x in put["x"]]
    true = [log(v) for v in put["v"]]
    yield "log", true, expect["log"], true
    yield "sum", [sum(put["terms"])], expect["sum"], [mpf(1)]


def main():
    worst = 0
    for name, case in read(sys.argv[1]).items():
        figures = {"functions": functions, "mixed": mixed, "first": None}.get(name, training)
        for key, true, found, sizes in figures(case, case["expect"]) if figures else ():
            sizes = sizes or [max(map(fabs, true))] * len(true)
            far = max(fabs(f - t) / (fabs(s) or 1) for f, t, s in zip(found, true, sizes))
            ratio = far / TOLERANCE[key] if len(found) == len(true) else mpf(2)
            worst = max(worst, ratio)
            print(f"{name:9} {key:14} {mp.nstr(far, 3):>10}{'' if ratio <= 1 else '   TOO FAR'}")
    print("all within tolerance" if worst <= 1 else "NOT all within tolerance")
    return int(worst > 1)


sys.exit(main())
