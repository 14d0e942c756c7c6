import pytest

from benchmarks import table


def row(name, seed=0, number=0, hits=None, **values):
    found = {"row": name, "seed": seed, "round": number, "values": values}
    return found if hits is None else {**found, "validation_hits": hits}


def lines(suite, *rows):
    job = {"suite": suite, "group": {"data": "clothing"}, "quick": False}
    content = {"runs": [], "measurements": [{"job": job, "rows": list(rows)}]}
    title, _, *found = table.to_markdown(content).strip().splitlines()
    assert title == f"### {suite}: data clothing"
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in found[2:]]


def test_ratios_are_taken_within_a_round():
    # 2 / 1 and 30 / 10; across the rounds it would be 2 / 10.
    found = lines(
        "accuracy",
        row("guide", seconds=1.0), row("guide", number=1, seconds=10.0),
        row("default", seconds=2.0), row("default", number=1, seconds=30.0),
        row("default", seed=1, seconds=900.0),
    )  # fmt: skip
    assert found[0] == ["guide", "seconds", "5.5 s", "", "", "", "2"]
    assert found[1] == ["default", "seconds", "30 s", "guide", "2.5", "", "3"]


@pytest.mark.parametrize(
    ("ours", "ratio", "judged"), [(102.0, "1.02", "met"), (110.0, "1.1", "NOT MET")]
)
def test_limits_hold_for_the_median_of_the_ratios(ours, ratio, judged):
    name = "LearningRateMultiplier(AdamW)"
    _, line = lines("steps", row("AdamW", milliseconds=100.0), row(name, milliseconds=ours))
    assert line[2:] == [f"{ours:.0f} ms", "AdamW", ratio, f"<= 1.03: {judged}", "1"]


def test_values_have_limits_too():
    (line,) = lines("audit", row("copies", recall_cropped=0.9))
    assert line == ["copies", "recall_cropped", "90.0%", "", "", ">= 0.95: NOT MET", "1"]


def test_accuracies_are_compared_image_by_image():
    found = lines(
        "dead_stages", row("whole", final_accuracy=0.25, hits="1000"),
        row("cut", final_accuracy=0.75, hits="1110"),
    )  # fmt: skip
    # Two of four gained; 1/3 +- 1.96 * ((3 / 6 - 1 / 9) / 6) ** 0.5, as below.
    assert found[1][3:5] == ["whole", "+50.0 points (95%: -16.6 to +83.2)"]


def test_what_has_no_values_gives_its_reason():
    found = lines("extraction", {"row": "extract", "skipped": "no engine"})
    assert found == [["extract", "no engine", *[""] * 5]]


def hits(text, number=0):
    return {"seed": 0, "round": number, "validation_hits": text}


def test_difference_of_hits_has_the_interval_of_the_same_images():
    # Two of four gained, none lost. With half a gain and half a loss in two images more, the
    # mean is 2/6, the mean square 3/6.
    difference, low, high = table.hits_apart([hits("1110")], [hits("1000")])
    assert difference == 0.5
    half = 1.96 * ((3 / 6 - 1 / 9) / 6) ** 0.5
    assert (low, high) == pytest.approx((1 / 3 - half, 1 / 3 + half), rel=1e-3)


def test_rounds_of_the_same_images_are_averaged_for_each_image():
    mine, others = [hits("10"), hits("10", 1)], [hits("01"), hits("10", 1)]
    # The images gain 1/2 and -1/2.
    difference, _, high = table.hits_apart(mine, others)
    assert difference == 0
    assert high == pytest.approx(1.96 * ((0.5 + 1) / 4 / 4) ** 0.5, rel=1e-3)


@pytest.mark.parametrize("other", [hits("101"), hits(""), hits("10", 1)])
def test_hits_of_other_images_or_rounds_are_not_compared(other):
    assert table.hits_apart([hits("10")], [other]) is None
    assert table.hits_apart([other], [hits("10")]) is None
