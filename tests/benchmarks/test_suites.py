import argparse
import importlib.util

import pytest

from benchmarks import suites
from benchmarks.acceptance import COMPARISONS
from benchmarks.timing import rotated, values_of

OPTIONS = {
    "data": None,
    "backbone": None,
    "rounds": None,
    "seeds": 1,
    "quick": False,
    "without_cached_guide": False,
}


def jobs_of(suite, rows=None, **options):
    waiting = suites.SUITES[suite](argparse.Namespace(**{**OPTIONS, **options}))
    found = []
    try:
        job = next(waiting)
        while True:
            found.append(job)
            job = waiting.send(rows)
    except StopIteration:
        return found


@pytest.mark.parametrize("suite", suites.SUITES)
@pytest.mark.parametrize("quick", [False, True])
def test_jobs_name_modules_and_differ(suite, quick):
    found = jobs_of(suite, quick=quick)
    for job in found:
        assert importlib.util.find_spec(f"benchmarks.{job.module}")
        assert job.suite == suite
        assert job.quick is quick
    described = [str(job.to_json()) for job in found]
    assert len(set(described)) == len(described) > 0


def test_the_budget_is_a_part_of_what_the_guide_took():
    rows = [{"row": "guide", "values": {"seconds": 1100.0}}]
    found = jobs_of("accuracy", rows, data=["clothing"], backbone=["MobileNet"])
    assert [job.row for job in found] == [
        "guide", "guide_cached", "default", "at_guide_accuracy",
    ]  # fmt: skip
    assert found[-1].arguments["time_budget"] == 50.0
    found = jobs_of("accuracy", rows, data=["xray"], without_cached_guide=True)
    assert "guide_cached" not in [job.row for job in found]


def test_without_the_guide_there_is_no_budget():
    found = jobs_of("accuracy", None, data=["clothing"], backbone=["MobileNet"])
    assert "at_guide_accuracy" not in [job.row for job in found]


def test_seeds_and_rounds_repeat_a_recipe():
    found = jobs_of("views", data=["clothing"], seeds=2, rounds=3)
    assert len({(job.seed, job.round) for job in found}) == 6
    assert len(found) == 6 * 4


def test_comparisons_are_of_known_suites():
    assert {comparison.suite for comparison in COMPARISONS} <= set(suites.SUITES)


def test_each_round_starts_with_the_next_contestant():
    assert [rotated(["a", "b", "c"], number)[0] for number in range(4)] == ["a", "b", "c", "a"]
    assert rotated(["a", "b", "c"], 1) == ["b", "c", "a"]
    assert rotated([], 1) == []


@pytest.mark.parametrize(
    ("done", "more"),
    [(None, {}), ({"pictures": 64}, {"rate": 32.0}), ({"steps": 4}, {"milliseconds": 500.0})],
)
def test_what_was_done_in_two_seconds_gives_rates(done, more):
    assert values_of(2.0, done) == {"seconds": 2.0, **(done or {}), **more}
