import json

import numpy as np
import pytest
from scipy import stats

from keras_transfer._figures import save_figure
from keras_transfer.calibration import measure_calibration, plot_reliability
from tests.calibration.made_up_predictions import draw_logits, draw_predictions

# Confidences .6, .9 and .9; the first and the last prediction are correct.
THREE = np.array([[0.6, 0.4], [0.9, 0.1], [0.1, 0.9]])
LABELS = np.array([0, 1, 1])


def bins_of(*arguments, **keywords):
    return measure_calibration(*arguments, **keywords, num_draws=10).bins


def test_error_by_hand():
    # One bin a tenth: (1 * |1 - .6| + 2 * |.5 - .9|) / 3 = .4
    assert measure_calibration(THREE, LABELS, num_bins=10).ece == pytest.approx(0.4)
    # One bin for all: |2/3 - .8|
    assert measure_calibration(THREE, LABELS, num_bins=1).ece == pytest.approx(0.8 - 2 / 3)


def test_bins_by_hand():
    first, second = bins_of(THREE, LABELS, num_bins=10)
    assert (first.low, first.high) == pytest.approx((0.5, 0.6))
    assert (first.confidence, first.accuracy, first.count) == (0.6, 1.0, 1)
    assert (second.confidence, second.accuracy, second.count) == (0.9, 0.5, 2)
    assert sum(one.count for one in bins_of(THREE, LABELS)) == 3


def test_equal_confidences_share_a_bin():
    (one,) = bins_of(np.tile([[0.7, 0.3]], (9, 1)), np.zeros(9, int))
    assert (one.count, one.accuracy) == (9, 1.0)


def test_sum_of_bins_is_the_error():
    probabilities, labels = draw_predictions(np.random.default_rng(1), 400, over=0.2)
    found = measure_calibration(probabilities, labels, num_draws=10)
    gaps = sum(one.count * abs(one.accuracy - one.confidence) for one in found.bins) / 400
    assert found.ece == pytest.approx(gaps)
    assert json.loads(json.dumps(found.to_json()))["bins"][0]["count"] == found.bins[0].count
    assert found.conclusion.endswith("overconfident.")


@pytest.mark.parametrize(
    ("over", "expected"), [(0.0, "no significant miscalibration"), (-0.2, "underconfident")]
)
def test_conclusion_follows_the_interval(over, expected):
    drawn = draw_predictions(np.random.default_rng(4), 400, over)
    conclusion = measure_calibration(*drawn, num_draws=50).conclusion
    assert conclusion.endswith(f"): {expected}.") and "(n = 400)" in conclusion


def confident(random, size, over):
    """Two classes, a confidence near 1: most images are in one bin."""
    confidence = np.maximum(1 - random.beta(1, 12, size), 0.5)
    hits = random.random(size) < confidence - over
    return np.stack([confidence, 1 - confidence], axis=1), 1 - hits


MODELS = {
    # The confidence is `over` above the truth everywhere, so the true error is `over`.
    "calibrated": (lambda random, size: draw_predictions(random, size), 0.0),
    "overconfident": (lambda random, size: draw_predictions(random, size, 0.03), 0.03),
    "very overconfident": (lambda random, size: draw_predictions(random, size, 0.2), 0.2),
    "confident": (lambda random, size: confident(random, size, 0.02), 0.02),
    # Of 400,000 images.
    "flat logits": (lambda random, size: draw_logits(random, size, 0.6), 0.1263),
}


@pytest.mark.parametrize("size", [100, 1000])
@pytest.mark.parametrize("model", MODELS)
def test_interval_contains_the_true_error_in_95_percent(model, size):
    draw, error = MODELS[model]
    random, contained = np.random.default_rng(2), 0
    for seed in range(100):
        drawn = draw(random, size)
        low, high = measure_calibration(*drawn, num_draws=300, seed=seed).interval
        contained += low <= error <= high
    assert contained >= stats.binom.ppf(0.01, 100, 0.95)


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.zeros((0, 2)), [], r"shape \(0, 2\)"),
        ([0.5, 0.5], [0, 1], r"shape \(2,\)"),
        ([[0.7, 0.7]], [0], "whose sum is 1"),
        ([[1.5, -0.5]], [0], "from 0 to 1"),
        ([[np.nan, 1.0]], [0], "from 0 to 1"),
        ([[0.5, 0.5]], [2], "below 2"),
        ([[0.5, 0.5]], [-1], "at least 0 and below 2.*from -1 to -1"),
        ([[0.5, 0.5]], [0, 1], r"labels of shape \(2,\)"),
        ([[0.5, 0.5]], [0.0], "type float64"),
    ],
)
def test_invalid_predictions_are_refused(probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        measure_calibration(np.array(probabilities), np.array(labels))


@pytest.mark.parametrize("num_bins", [0, 1.5, True])
def test_number_of_bins_is_a_positive_integer(num_bins):
    with pytest.raises(ValueError, match="`num_bins` must be a positive integer"):
        measure_calibration(THREE, LABELS, num_bins)


def test_several_diagrams_are_drawn_side_by_side(tmp_path):
    probabilities, labels = draw_predictions(np.random.default_rng(0), 100, over=0.2)
    found = measure_calibration(probabilities, labels, num_draws=10)
    one, two = plot_reliability(found), plot_reliability({"before": found, "after $5_": found})
    save_figure(two, tmp_path / "two.png")
    assert [len(figure.axes) for figure in (one, two)] == [2, 4]
    assert two.axes[1].get_title(loc="left").startswith("after $5_: ECE")
    assert [bar.get_height() for bar in one.axes[1].patches] == [b.count for b in found.bins]


@pytest.mark.parametrize("given", [{}, 0.3, {"before": 0.3}])
def test_other_things_are_not_drawn(given):
    with pytest.raises(ValueError, match="must be a `Calibration` or a dict"):
        plot_reliability(given)


def test_an_error_in_both_directions_has_no_direction():
    # Half are 90% sure and 60% right, half are 60% sure and 90% right.
    confidence = np.repeat([0.9, 0.6], 500)
    hits = np.arange(1000) % 10 < np.repeat([6, 9], 500)
    found = measure_calibration(np.stack([confidence, 1 - confidence], axis=1), 1 - hits)
    assert found.ece == pytest.approx(0.3)
    assert found.confidence == pytest.approx(found.accuracy)
    assert found.conclusion.endswith("miscalibrated, in both directions.")


@pytest.mark.parametrize("size", [3, 20, 300])
@pytest.mark.parametrize("confidence", [0.55, 0.9, 0.99])
def test_an_interval_holds_its_estimate(size, confidence):
    hits = np.arange(size) % 3 > 0
    probabilities = np.tile([confidence, 1 - confidence], (size, 1))
    found = measure_calibration(probabilities, 1 - hits)
    low, high = found.interval
    assert low <= found.ece <= high
    assert abs(found.confidence - found.accuracy) <= found.ece + 1e-9
