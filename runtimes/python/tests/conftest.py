"""Runs of the command `raisin`, whose bits everything here is held against."""

import csv
import json
import random
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


class Raisin:
    """The command, in a directory of its own."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, *args):
        command = ["node", str(ROOT / "build/cli.js"), *map(str, args)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def train(self, data, *args):
        """Trains, and gives what --json prints."""
        return json.loads(self("train", "--data", data, "--json", *args))

    def write(self, name, header, rows):
        path = self.folder / name
        with open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return path


@pytest.fixture
def raisin(tmp_path):
    return Raisin(tmp_path)


@pytest.fixture
def node():
    """Runs a script of the project's in Node, and gives what it printed as bytes."""

    def run(script, *args):
        command = ["node", "--input-type=module", "-e", script, *map(str, args)]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout

    return run


@pytest.fixture
def numbers(raisin):
    """A table of numbers with two classes that no line separates."""
    rng = random.Random(3)
    rows = []
    for _ in range(160):
        x = [round(rng.uniform(-10, 10), 6), rng.gauss(1e6, 0.25), rng.expovariate(1e-3)]
        rows.append([*map(repr, x), "yes" if x[0] + rng.gauss(0, 4) > 0 else "no"])
    return raisin.write("numbers.csv", ["a", "b", "c", "kind"], rows)


@pytest.fixture
def mixed(raisin):
    """A table with categories, gaps, and weights."""
    rng = random.Random(5)
    rows = []
    for i in range(220):
        town = rng.choice(["Ulm", "Bonn", "Köln", "Jena"])
        age = "" if i % 9 == 4 else f"{rng.uniform(20, 80):.3f}"
        note = "NA" if i % 7 == 0 else ["short", "long"][i % 2]
        rows.append([age, town, note, 1 + i % 3, rng.choice(["yes", "no"])])
    return raisin.write("mixed.csv", ["age", "town", "note", "n", "back"], rows)
