import pathlib
import statistics

import pytest

from benchmarks import jobs, table

ROOT = pathlib.Path(__file__).parents[2]
_WAYS = ("frozen", "fine_tuned")
_ROWS = ("transferred", "source as it is", "from scratch", "logistic regression")

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


def test_page_shows_what_transfer_is_worth_for_other_data_than_images():
    found = {}
    for one in measured("inputs")["measurements"]:
        for row in one["rows"]:
            for name, value in row["values"].items():
                key = (one["job"]["group"]["data"], row["row"], name)
                found.setdefault(key, []).append(value)
    of = {key: statistics.median(values) for key, values in found.items()}
    reviews = {name: of["reviews", "transferred", f"{name}_accuracy"] for name in _WAYS}
    random = {name: of["reviews", "random vectors", f"{name}_accuracy"] for name in _WAYS}
    auc = {name: of["adult", name, "auc"] for name in _ROWS}
    digits = (of["spoken digits", "transferred", name] for name in ("accuracy", "lowest"))
    for line in (
        "| {:.1%} | {:.1%} by the head alone |".format(
            *(of["TREC", "transferred", f"{name}_accuracy"] for name in ("final", "head"))
        ),
        "| {:.1%} | {:.1%} for the speaker it hears worst |".format(*digits),
        *(f"| {reviews[one]:.1%} | {random[one]:.1%} by random vectors |" for one in _WAYS),
        "| {:.3f} | {:.3f} by the source as it is, {:.3f} from scratch, {:.3f} by ".format(
            *auc.values()
        ),
        f"| {of['ImageNet sample', 'lite0', 'accuracy']:.1%} | |",
    ):
        assert line in TEXT["docs/benchmarks.md"]


def test_page_says_what_a_training_leaves_in_the_memory():
    found = {}
    for one in measured("memory")["measurements"]:
        (row,) = one["rows"]
        name = one["job"]["group"]["network"]
        found.setdefault(name, {})[row["row"]] = max(0.0, row["values"]["megabytes"])
    assert len(found) == 2
    for name, megabytes in found.items():
        line = "| {} | {:.0f} | {:.0f} |".format(name, *megabytes.values())
        assert line in TEXT["docs/benchmarks.md"]


def test_page_says_where_the_seconds_of_a_run_go():
    runs = {
        one["job"]["group"]["whole run"]: {row["row"]: row["values"] for row in one["rows"]}
        for one in measured("gpu")["measurements"]
        if "whole run" in one["job"]["group"]
    }
    few, many = runs["hymenoptera"], runs["clothing"]
    for part in few:
        line = f"| {part} | {few[part]['seconds']:.1f} | {many[part]['seconds']:.1f} |"
        assert line in TEXT["docs/benchmarks.md"]


def test_a_group_without_the_guide_is_left_out():
    rows = [{"row": "default", "seed": 0, "round": 0, "values": {"seconds": 1.0}}]
    job = {"suite": "accuracy", "group": {"data": "d", "network": "n"}, "quick": False}
    text = table.accuracy({"measurements": [{"job": job, "rows": rows}]})
    assert len(text.splitlines()) == 2
