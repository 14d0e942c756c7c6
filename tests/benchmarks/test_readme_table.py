import pathlib

import pytest

from benchmarks import readme_table, results

ROOT = pathlib.Path(__file__).parents[2]


README = (ROOT / "README.md").read_text()


def measured(suite):
    return results.read(ROOT / "benchmarks" / "measured" / f"{suite}.json")


@pytest.mark.parametrize("suite", ["accuracy", "strategies"])
def test_readme_shows_what_was_measured(suite):
    shown = getattr(readme_table, suite)(measured(suite))
    assert shown.count("\n") >= 8  # two lines of heads
    assert shown in README


def test_readme_tells_what_leaving_dead_stages_out_does():
    (rows,) = (
        {row["row"]: row["values"] for row in one["rows"]}
        for one in measured("dead_stages")["measurements"]
        if one["job"]["group"] == {"data": "xray", "network": "MobileNet at 96 px"}
    )
    cut, whole = rows["cut"], rows["whole"]
    told = " ".join(README.split())
    assert (
        f"these reach {cut['final_accuracy']:.1%} of 224 pictures where the whole network "
        f"reaches {whole['final_accuracy']:.1%}, in {cut['model_megabytes']:.1f} MB instead of "
        f"{whole['model_megabytes']:.1f}"
    ) in told


def test_a_group_without_the_guide_is_left_out():
    rows = [{"row": "default", "seed": 0, "round": 0, "values": {"seconds": 1.0}}]
    job = {"suite": "accuracy", "group": {"data": "d", "network": "n"}, "quick": False}
    text = readme_table.accuracy({"measurements": [{"job": job, "rows": rows}]})
    assert len(text.splitlines()) == 2
