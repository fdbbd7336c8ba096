"""What NumPy makes of a model.npz: prints its values and digest, and saves the same arrays again.

    model_npz.py IN STORED DEFLATED VERSIONED
"""

import hashlib
import json
import sys
import zipfile

import numpy as np

DIGEST_KEYS = ["spec", "feature_names", "class_names", "mean", "std", "w", "b"]


def main(source, stored, deflated, versioned):
    with np.load(source, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    with zipfile.ZipFile(source) as archive:
        problem = archive.testzip()
        members = {name: archive.read(name) for name in archive.namelist()}
    digest = hashlib.sha256()
    for key in DIGEST_KEYS:
        digest.update(members[key + ".npy"])

    np.savez(stored, **arrays)
    np.savez_compressed(deflated, **arrays)
    versions = [(1, 0), (2, 0), (3, 0)]
    with zipfile.ZipFile(versioned, "w") as archive:
        for i, (key, array) in enumerate(arrays.items()):
            with archive.open(key + ".npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, version=versions[i % 3])

    values = {}
    for key, array in arrays.items():
        numbers = array.dtype.kind == "f"
        flat = array.reshape(-1)
        values[key] = {
            "dtype": array.dtype.str,
            "shape": list(array.shape),
            "values": flat.view(np.uint64).astype(str).tolist() if numbers else flat.tolist(),
        }
    report = {
        "numpy": np.__version__,
        "problem": problem,
        "digest": digest.hexdigest(),
        "arrays": values,
    }
    print(json.dumps(report))


main(*sys.argv[1:])
