import pytest

from benchmarks import summary, table
from benchmarks.acceptance import Comparison, Limit, comparisons_of

RUN = {
    "date": "2025-01-01T00:00:00+00:00",
    "processor": "a processor",
    "cores": 2,
    "memory_gigabytes": 8.0,
    "system": "a system",
    "python": "3.12.0",
    "versions": {"keras": "3.15.0"},
    "commit": "abc",
}


NAMED = {"data": "clothing", "network": "MobileNetV2 at 160 px"}


def measurement(*rows, suite="accuracy", quick=False, **group):
    rows = [{"seed": 0, "round": 0, **row} for row in rows]
    return {"job": {"suite": suite, "group": group, "quick": quick}, "rows": rows}


def content(*measurements):
    return {"runs": [RUN], "measurements": list(measurements)}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.038462, "1/26"), (0.05, "1/20"), (0.5, "0.5"), (1.0416, "1.04"), (123.4, "123")],
)
def test_small_ratios_are_written_as_fractions(value, text):
    assert table.ratio(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.1234, "0.123"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_numbers_have_three_digits_or_are_integers(value, text):
    assert table.number(value) == text


def test_quartiles_stand_in_brackets():
    assert (
        table.spread_text(summary.Spread(1.0, 5, (0.9, 1.2)), table.ratio) == "1 (0.9 to 1.2)"
    )
    assert table.spread_text(summary.Spread(1.0, 3), table.ratio) == "1"


@pytest.mark.parametrize(
    ("seconds", "measured", "met"), [(4.0, "1/25", "yes"), (8.0, "1/12.5", "NO")]
)
def test_whether_a_limit_is_met_is_computed(seconds, measured, met):
    where = (("data", "clothing"),)
    comparison = Comparison(
        "accuracy", "ours", "guide", "seconds", Limit("<=", 1 / 20), where=where
    )
    rows, against = (
        [{"seed": 0, "round": 0, "values": {"seconds": value}}] for value in (seconds, 100.0)
    )
    group = (("data", "clothing"), ("network", "a network"))
    cells = table.comparison_cells(comparison, group, rows, against)
    assert cells == ["guide", measured, "<= 1/20", met]
    elsewhere = table.comparison_cells(comparison, (("data", "xray"),), rows, against)
    assert elsewhere == ["guide", measured, "", ""]


@pytest.mark.parametrize(("value", "met"), [(0.1, True), (0.0, True), (-0.01, False)])
def test_a_lower_limit_includes_its_bound(value, met):
    assert Limit(">=", 0.0).is_met(value) is met


def test_a_line_shows_value_ratio_limit_and_repetitions():
    text = table.to_markdown(
        content(
            measurement({"row": "guide", "values": {"seconds": 1000.0}}, **NAMED),
            measurement({"row": "at_guide_accuracy", "values": {"seconds": 40.0}}, **NAMED),
        )
    )
    assert "### accuracy: data clothing, network MobileNetV2 at 160 px\n" in text
    assert "| guide: time | 1,000 s |  |  |  |  | 1 |" in text
    assert "| at_guide_accuracy: time | 40 s | guide | 1/25 | <= 1/20 | yes | 1 |" in text


def test_accuracies_are_compared_by_points():
    text = table.to_markdown(
        content(
            measurement({"row": "guide", "values": {"final_accuracy": 0.836}}, **NAMED),
            measurement({"row": "default", "values": {"final_accuracy": 0.889}}, **NAMED),
        )
    )
    assert "| 88.9% | guide | +5.3 points | >= +3.0 points | yes | 1 |" in text


def trainings(data, network, guide, default):
    """The seconds and accuracies of two trainings."""
    names = ("seconds", "final_accuracy")
    return measurement(
        *(
            {"row": row, "values": dict(zip(names, values, strict=True))}
            for row, values in (("guide", guide), ("default", default))
        ),
        data=data,
        network=network,
    )


def test_means_are_over_the_data_sets_of_a_network_and_over_all():
    text = table.to_markdown(
        content(
            trainings("clothing", "one", (100.0, 0.8), (10.0, 0.9)),
            trainings("xray", "one", (100.0, 0.8), (20.0, 0.71)),
            trainings("clothing", "two", (100.0, 0.8), (60.0, 0.77)),
        )
    )
    assert "| one | default: time | guide | 0.15 | <= 0.2 | yes | 2 |" in text
    assert "| all networks | default: time | guide | 0.3 | <= 0.2 | NO | 3 |" in text
    accuracy = "default: validation accuracy of the result | guide"
    assert f"| one | {accuracy} | +0.5 points | >= +0.0 points | yes | 2 |" in text
    assert f"| all networks | {accuracy} | -0.7 points | >= +0.0 points | NO | 3 |" in text
    assert "| two |" not in text


def test_one_data_set_has_no_mean():
    text = table.to_markdown(content(trainings("clothing", "one", (9.0, 0.8), (1.0, 0.9))))
    assert "means" not in text


def test_rows_of_other_groups_are_not_compared():
    text = table.to_markdown(
        content(
            measurement({"row": "guide", "values": {"seconds": 10.0}}, data="clothing"),
            measurement({"row": "default", "values": {"seconds": 1.0}}, data="xray"),
        )
    )
    assert "| default: time | 1 s |  |  |  |  | 1 |" in text


def test_a_quick_run_is_marked():
    row = {"row": "guide", "values": {"seconds": 1.0}}
    assert "smoke test" in table.to_markdown(content(measurement(row, quick=True)))
    assert "smoke test" not in table.to_markdown(content(measurement(row)))


def test_what_was_skipped_or_failed_says_why():
    text = table.to_markdown(
        content(
            measurement(
                {"row": "extract, openvino", "skipped": "not installed"}, suite="extraction"
            ),
            measurement({"row": "default", "failed": "line\nline | column"}),
        )
    )
    assert "| extract, openvino | skipped: not installed |" in text
    assert "| default | failed: line line \\| column |" in text


def test_the_limit_of_the_budgeted_run_is_a_twentieth_of_the_guide():
    against = {
        comparison.against: comparison.limit
        for comparison in comparisons_of("accuracy", "at_guide_accuracy", "seconds")
    }
    assert against["guide"] == Limit("<=", 1 / 20)


@pytest.mark.parametrize(
    ("differing", "measured", "met"), [((0, 0, 0), "0", "yes"), ((0, 0, 2), "0", "NO")]
)
def test_each_repetition_keeps_to_a_limit_of_the_value_itself(differing, measured, met):
    rows = [
        {"row": "killed 20 times", "round": number, "values": {"differing": count}}
        for number, count in enumerate(differing)
    ]
    text = table.to_markdown(content(measurement(*rows, suite="kills")))
    line = f"| killed 20 times: files that differ | {measured} |  |  | <= 0 | {met} | 3 |"
    assert line in text


@pytest.mark.parametrize(
    ("hits", "cell", "met"),
    [
        ("1" * 94 + "0" * 6, "-6.0 points (95%: -10.8 to -0.9)", "NO"),
        ("1" * 99 + "0", "-1.0 points (95%: -3.7 to +1.7)", "yes"),
    ],
)
def test_accuracies_on_the_same_pictures_have_an_interval_and_its_end_a_limit(hits, cell, met):
    values = {"values": {"final_accuracy": 0.96}}
    text = table.to_markdown(
        content(
            measurement(
                {"row": "recommended", "validation_hits": hits, **values},
                {"row": "head", "validation_hits": "1" * 100, **values},
                suite="strategies",
            )
        )
    )
    assert f"| 96.0% | head | {cell} | upper end >= +0.0 points | {met} | 1 |" in text
