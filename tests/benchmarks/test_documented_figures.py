import pathlib

import pytest

from benchmarks import jobs, table

ROOT = pathlib.Path(__file__).parents[2]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}


def measured(suite):
    return jobs.read(ROOT / "benchmarks" / "measured" / f"{suite}.json")


@pytest.mark.parametrize(
    ("suite", "page"),
    [
        ("accuracy", "README.md"),
        ("accuracy", "docs/benchmarks.md"),
        ("strategies", "docs/benchmarks.md"),
    ],
)
def test_tables_show_what_was_measured(suite, page):
    shown = getattr(table, suite)(measured(suite))
    assert shown.count("\n") >= 8  # two lines of heads
    assert shown in TEXT[page]


def words(page):
    return " ".join(TEXT[page].split())


def test_guide_says_how_precise_named_label_errors_are():
    values = [
        row["values"]
        for one in measured("audit")["measurements"]
        for row in one["rows"]
        if row["row"] == "label errors"
    ]
    assert len(values) == 3
    precisions, recalls = ([one[name] for one in values] for name in ("precision", "recall"))
    assert f"{min(precisions):.0%} to {max(precisions):.0%} of the named ones" in words(
        "docs/guides/data.md"
    )
    assert f"{min(recalls):.0%} to {max(recalls):.0%} of these were named" in words(
        "docs/guides/data.md"
    )


def test_page_says_that_no_recommendation_is_significantly_worse():
    rows = table.grouped(measured("strategies")["measurements"]).items()
    ends = [
        table.hits_apart(found["recommended"], found[name])[2]
        for _, found in rows
        for name in found
        if name != "recommended"
    ]
    assert min(ends) > 0
    assert f"In none of the {len(ends)} comparisons is it significantly worse" in words(
        "docs/benchmarks.md"
    )


def test_guide_says_what_leaving_dead_stages_out_does():
    (rows,) = (
        {row["row"]: row["values"] for row in one["rows"]}
        for one in measured("dead_stages")["measurements"]
        if one["job"]["group"] == {"data": "xray", "network": "MobileNet at 96 px"}
    )
    cut, whole = rows["cut"], rows["whole"]
    assert (
        f"these reach an accuracy of {cut['final_accuracy']:.1%} (n = 224), the whole network "
        f"{whole['final_accuracy']:.1%}, in {cut['model_megabytes']:.1f} MB instead of "
        f"{whole['model_megabytes']:.1f}"
    ) in words("docs/guides/which-network.md")


def test_a_group_without_the_guide_is_left_out():
    rows = [{"row": "default", "seed": 0, "round": 0, "values": {"seconds": 1.0}}]
    job = {"suite": "accuracy", "group": {"data": "d", "network": "n"}, "quick": False}
    text = table.accuracy({"measurements": [{"job": job, "rows": rows}]})
    assert len(text.splitlines()) == 2
