"""Filters and sorts runs as MLflow does: cases as JSON on standard input, ids or null for a refusal on standard output."""
import json
import sys

from mlflow.entities import (
    Dataset, DatasetInput, InputTag, Metric, Param, Run, RunData, RunInfo, RunInputs, RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.utils.search_utils import SearchUtils


def to_run(given):
    info = RunInfo(
        run_id=given["id"], experiment_id="0", user_id=given["user"], status=given["status"],
        start_time=given["start"], end_time=given["end"], lifecycle_stage="active",
        run_name=given["name"],
    )
    data = RunData(
        metrics=[Metric(key, value, 0, 0) for key, value in given["metrics"].items()],
        params=[Param(key, value) for key, value in given["params"].items()],
        tags=[RunTag(key, value) for key, value in given["tags"].items()],
    )
    inputs = RunInputs(dataset_inputs=[
        DatasetInput(
            dataset=Dataset(name=one["name"], digest=one["digest"], source_type="x", source="x"),
            tags=[InputTag("mlflow.data.context", one["context"])],
        )
        for one in given["datasets"]
    ])
    return Run(info, data, inputs)


answers = []
request = json.load(sys.stdin)
runs = [to_run(given) for given in request["runs"]]
for case in request["cases"]:
    try:
        # MLflow looks at an operator only when a run gets that far; whether it takes a filter must not depend on the runs.
        for comparison in SearchUtils.parse_search_filter(case["filter"]):
            SearchUtils._does_run_match_clause(runs[0], comparison)
        found = SearchUtils.filter(runs, case["filter"])
        found = SearchUtils.sort(found, case["order"])
        answers.append([run.info.run_id for run in found])
    except MlflowException:
        answers.append(None)
json.dump(answers, sys.stdout)
