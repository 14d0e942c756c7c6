import json

import pytest

from benchmarks.jobs import Job
from benchmarks.results import Results, read

JOB = Job("head", "head", {"epochs": 3, "sizes": (1, 2)}, {"data": "clothing"})
ROWS = [
    {"row": "ours", "seed": 0, "round": number, "values": {"seconds": seconds}}
    for number, seconds in enumerate([3.0, 1.0, 2.0])
]


def test_each_measurement_is_on_disk_when_it_is_added(tmp_path):
    path = tmp_path / "results.json"
    Results.open(path, False, {"date": "today"}).add(JOB, ROWS, 1.0)
    content = read(path)
    assert content["runs"] == [{"date": "today"}]
    assert content["measurements"][0]["rows"] == ROWS
    assert content["medians"][0]["medians"] == {"seconds": 2.0}
    assert content["medians"][0]["repeated"] == {"seconds": 3}
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_resuming_finds_what_is_finished_and_nothing_else(tmp_path):
    path = tmp_path / "results.json"
    Results.open(path, False, {}).add(JOB, ROWS, 1.0)
    resumed = Results.open(path, True, {})
    assert resumed.find(JOB) == ROWS
    assert resumed.find(Job("head", "head", {"epochs": 4}, {"data": "clothing"})) is None


@pytest.mark.parametrize(
    "rows", [[{"row": "ours", "skipped": "why"}], [{"row": "ours", "failed": "why"}]]
)
def test_what_was_skipped_or_failed_is_measured_again(tmp_path, rows):
    path = tmp_path / "results.json"
    Results.open(path, False, {}).add(JOB, rows, 1.0)
    resumed = Results.open(path, True, {})
    assert resumed.find(JOB) is None
    resumed.add(JOB, ROWS, 1.0)
    assert [measurement["rows"] for measurement in read(path)["measurements"]] == [ROWS]


def test_earlier_results_are_not_written_over(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"runs": [], "measurements": []}))
    with pytest.raises(FileExistsError, match="--resume"):
        Results.open(path, False, {})
