"""Filters and sorts runs as MLflow does.

Cases come as JSON on standard input. For each, what was found by the filter and how all runs were sorted goes to standard
output: two lists of ids, null where MLflow refuses.
"""
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
        run_name=given["name"], artifact_uri=given["uri"],
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


def matches(runs, text):
    # MLflow looks at an operator only when a run gets that far; whether it takes a filter must not depend on the runs.
    for comparison in SearchUtils.parse_search_filter(text):
        SearchUtils._does_run_match_clause(runs[0], comparison)
    return SearchUtils.filter(runs, text)


def ids_or_none(search, runs, given):
    try:
        return [run.info.run_id for run in search(runs, given)]
    except (MlflowException, ValueError):  # ValueError: what a list may not hold, and quotes that do not end in an order
        return None


request = json.load(sys.stdin)
all_runs = [to_run(given) for given in request["runs"]]
json.dump(
    [
        [
            ids_or_none(matches, all_runs, case["filter"]),
            ids_or_none(SearchUtils.sort, all_runs, case["order"]),
        ]
        for case in request["cases"]
    ],
    sys.stdout,
)
