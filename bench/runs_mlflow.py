"""Times MLflow's own stores on runs that are given as JSON: listing, searching and sorting, in seconds a call.

argv: backend (file or sqlite), folder for the store, JSON of the runs. The stores are filled directly, in the tables and
files that MLflow itself writes, since logging ten thousand runs through it takes minutes; a run of each is logged by
MLflow first, and must look the same.
"""
import json
import os
import sqlite3
import sys
import time

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
backend, folder, path = sys.argv[1:4]

import mlflow  # noqa: E402
from mlflow.entities import Metric, Param, RunTag, ViewType  # noqa: E402

with open(path) as file:
    runs = json.load(file)


def sample(store, experiment):
    """One run through MLflow's own interface."""
    given = runs[0]
    run = store.create_run(experiment, "ann", given["start"], [], given["name"])
    store.log_batch(
        run.info.run_id,
        [Metric(k, v, given["start"], s) for k, points in given["metrics"].items() for s, v in points],
        [Param(k, v) for k, v in given["params"].items()],
        [RunTag(k, v) for k, v in given["tags"].items()],
    )
    store.update_run_info(run.info.run_id, mlflow.entities.RunStatus.FINISHED, given["end"], given["name"])
    return run.info.run_id


def fill_file(experiment):
    root = os.path.join(folder, "mlruns", experiment)
    for given in runs[1:]:
        run_id = given["id"].rjust(32, "0")
        run = os.path.join(root, run_id)
        for part in ("metrics", "params", "tags", "artifacts"):
            os.makedirs(os.path.join(run, part))
        meta = {
            "artifact_uri": f"file://{run}/artifacts", "end_time": given["end"], "entry_point_name": "''",
            "experiment_id": f"'{experiment}'", "lifecycle_stage": "active", "run_id": f"'{run_id}'",
            "run_name": given["name"], "run_uuid": f"'{run_id}'", "source_name": "''", "source_type": 4,
            "source_version": "''", "start_time": given["start"], "status": 3, "tags": "[]", "user_id": "ann",
        }
        with open(os.path.join(run, "meta.yaml"), "w") as file:
            file.write("".join(f"{key}: {value}\n" for key, value in meta.items()))
        for key, points in given["metrics"].items():
            with open(os.path.join(run, "metrics", key), "w") as file:
                file.write("".join(f"{given['start']} {value} {step}\n" for step, value in points))
        for part, values in (("params", given["params"]), ("tags", {**given["tags"], "mlflow.runName": given["name"]})):
            for key, value in values.items():
                with open(os.path.join(run, part, key), "w") as file:
                    file.write(value)


def fill_sqlite(database, experiment, first):
    connection = sqlite3.connect(database)
    columns = lambda table: [row[1] for row in connection.execute(f"pragma table_info({table})")]
    (pattern,) = connection.execute("select * from runs where run_uuid = ?", (first,)).fetchall()
    names = columns("runs")
    rows, params, tags, metrics, latest = [], [], [], [], []
    for given in runs[1:]:
        run_id = given["id"].rjust(32, "0")
        row = dict(zip(names, pattern))
        row.update(run_uuid=run_id, name=given["name"], start_time=given["start"], end_time=given["end"])
        row["artifact_uri"] = row["artifact_uri"].replace(first, run_id)
        rows.append([row[name] for name in names])
        params += [(k, v, run_id) for k, v in given["params"].items()]
        tags += [(k, v, run_id) for k, v in {**given["tags"], "mlflow.runName": given["name"]}.items()]
        for key, points in given["metrics"].items():
            metrics += [(key, value, given["start"], run_id, step, 0) for step, value in points]
            step, value = points[-1]
            latest.append((key, value, given["start"], step, 0, run_id))
    marks = ",".join("?" * len(names))
    connection.executemany(f"insert into runs values ({marks})", rows)
    connection.executemany("insert into params (key, value, run_uuid) values (?,?,?)", params)
    connection.executemany("insert into tags (key, value, run_uuid) values (?,?,?)", tags)
    connection.executemany(
        "insert into metrics (key, value, timestamp, run_uuid, step, is_nan) values (?,?,?,?,?,?)", metrics)
    connection.executemany(
        "insert into latest_metrics (key, value, timestamp, step, is_nan, run_uuid) values (?,?,?,?,?,?)", latest)
    connection.commit()


os.makedirs(folder, exist_ok=True)
if backend == "file":
    from mlflow.store.tracking.file_store import FileStore
    store = FileStore(os.path.join(folder, "mlruns"))
else:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    store = SqlAlchemyStore(f"sqlite:///{folder}/mlflow.db", os.path.join(folder, "artifacts"))
experiment = store.create_experiment("bench")
first = sample(store, experiment)
if backend == "file":
    fill_file(experiment)
else:
    fill_sqlite(os.path.join(folder, "mlflow.db"), experiment, first)

FILTER = "metrics.val_loss < 0.3 and params.lr = '0.1'"
calls = {
    "list": ("", []),
    "search": (FILTER, []),
    "sort": ("", ["metrics.val_roc_auc DESC"]),
}
answer = {"version": mlflow.__version__, "seconds": {}, "found": {}, "first": {}}
for name, (text, order) in calls.items():
    times = []
    for _ in range(2 if backend == "file" else 3):
        start = time.perf_counter()
        found = store.search_runs([experiment], text, ViewType.ACTIVE_ONLY, len(runs), order)
        times.append(time.perf_counter() - start)
    answer["seconds"][name] = times
    answer["found"][name] = len(found)
print(json.dumps(answer))
