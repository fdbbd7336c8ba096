# Writes the golden files beside it: exp, log, sigmoid and a small training, in 60 digits by mpmath.
#
# Run by hand with a Python that has mpmath: `python test/golden/make-golden.py`. CI only reads the
# files, it never makes them.
#
# A number is stored as the 16 hex digits of its f64 bits. A true value is stored as two of them,
# "hi lo": hi is the value rounded to f64, lo what is left, rounded; together more than 100 bits.
# Half of the points come evenly from the range, in logarithm too; the others are the hardest of a
# larger draw: those whose true value lies nearest to the middle between two f64, where even a
# correctly rounded result errs most. The first ones are the corners, and the points where this core
# was found to err most among 20 million random ones each.
import json
import random
import struct
from pathlib import Path

import mpmath
from mpmath import exp, fabs, log, mp, mpf

mp.dps = 60
SEED = 20260721
SCRIPT = "test/golden/make-golden.py"
PROVENANCE = f"mpmath {mpmath.__version__}, 60 digits, {SCRIPT}, seed {SEED}"
here = Path(__file__).parent


def bits(value):
    return struct.pack(">d", value).hex()


def split(value):
    """The true value as "hi lo"."""
    hi = float(value)
    return f"{bits(hi)} {bits(float(value - mpf(hi)))}"


def ulp(value):
    exponent = (struct.unpack(">Q", struct.pack(">d", value))[0] >> 52) & 0x7FF
    return mpf(2) ** (max(exponent, 1) - 1075)


def hardness(value):
    """Distance, in ulps, of a true value from the nearest middle between two f64."""
    hi = float(value)
    return fabs(fabs((value - mpf(hi)) / ulp(hi)) - mpf("0.5"))


def table(name, function, draw, fixed, count, tried):
    rng = random.Random(f"{SEED} {name}")
    points = list(fixed) + [draw(rng) for _ in range(count // 2)]
    hard = sorted((draw(rng) for _ in range(tried)), key=lambda x: hardness(function(mpf(x))))
    points += hard[: count // 2]
    rows = [f"{bits(x)} {split(function(mpf(x)))}" for x in points]
    write(name, {"provenance": PROVENANCE, "row": "x, then f(x) as hi lo", "rows": rows})


def write(name, content):
    (here / f"{name}.json").write_text(json.dumps(content, indent=0) + "\n")


def sigmoid(z):
    clipped = max(mpf(-35), min(mpf(35), z))
    return 1 / (1 + exp(-clipped))


def draw_small(rng):
    return rng.choice([-1, 1]) * 10 ** rng.uniform(-18, 0)


def draw_exp(rng):
    return rng.uniform(-40, 40) if rng.random() < 0.8 else draw_small(rng)


def draw_log(rng):
    kind = rng.random()
    if kind < 0.5:
        return 10 ** rng.uniform(-12, 0)
    return rng.uniform(0.4, 1) if kind < 0.8 else 1 - 10 ** rng.uniform(-12, -1)


def draw_sigmoid(rng):
    return rng.uniform(-36, 36) if rng.random() < 0.8 else draw_small(rng)


def training():
    """Gradient descent on 23 rows and 3 features, every operation in 60 digits."""
    rng = random.Random(f"{SEED} training")
    n, d, steps, lr, l2 = 23, 3, 200, 0.1, 0.01
    X = [[rng.gauss(0, 1) for _ in range(d)] for _ in range(n)]
    y = [1 if sum(row) + rng.gauss(0, 1) > 0 else 0 for row in X]
    w = [mpf(0)] * (d + 1)

    def probabilities():
        return [sigmoid(w[d] + sum(w[j] * mpf(row[j]) for j in range(d))) for row in X]

    def gradient():
        r = [p - label for p, label in zip(probabilities(), y)]
        g = [sum(r[i] * mpf(X[i][j]) for i in range(n)) / n + mpf(l2) * w[j] for j in range(d)]
        return [*g, sum(r) / n]

    first = gradient()
    for _ in range(steps):
        w = [weight - mpf(lr) * slope for weight, slope in zip(w, gradient())]
    p = probabilities()
    loss = sum(-log(q if label == 1 else 1 - q) for q, label in zip(p, y))
    squares = sum((q - label) ** 2 for q, label in zip(p, y))
    write(
        "training",
        {
            "provenance": PROVENANCE,
            "columns": [[bits(row[j]) for row in X] for j in range(d)],
            "y": y,
            "lr": lr,
            "l2": l2,
            "steps": steps,
            "firstGradient": [split(value) for value in first],
            "weights": [split(value) for value in w],
            "lossSum": split(loss),
            "squareSum": split(squares),
        },
    )


HUGE, TINY, ROOT_HALF = 1e308, 5e-324, 0.7071067811865476
for_exp = [0.0, 40.0, -40.0, 35.0, -35.0, 1.0, -1.0, TINY, -(2.0**-1022)]
for_exp += [-13.952712716145452, -11.80769259563494, -36.761134568719115, 34.47076794440407]
for_log = [1.0, 1e-12, 0.5, 0.25, 1 - 1e-12, 1 - 2.0**-53, ROOT_HALF]
for_log += [0.706932075742622, 0.7068010070668617, 0.7059078422106294, 0.7056624922887339]
for_sigmoid = [0.0, 35.0, -35.0, 40.0, -40.0, HUGE, -HUGE, TINY]
for_sigmoid += [-0.005247937328604069, -1.947428032100672, -1.1110357519649927, -3.4469668012831955]
table("exp", exp, draw_exp, for_exp, 1500, 150_000)
table("log", log, draw_log, for_log, 1500, 150_000)
table("sigmoid", sigmoid, draw_sigmoid, for_sigmoid, 1500, 150_000)
training()
