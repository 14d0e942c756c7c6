import json
import math

import numpy as np
import pytest
from scipy import stats

from keras_transfer.calibration import fit_conformal
from tests.calibration.made_up_predictions import draw_logits, draw_predictions


def test_quantile_by_hand():
    # Scores .1 to .9: at 20% errors the rank is ceil(10 * .8) = 8, the score .8.
    of_truth = 1 - np.arange(1, 10) / 10
    found = fit_conformal(np.stack([of_truth, 1 - of_truth], axis=1), np.zeros(9, int), 0.2)
    assert found.set_threshold == pytest.approx(0.8)
    sets = found.prediction_sets(np.array([[0.5, 0.5], [0.85, 0.15], [0.3, 0.7]]))
    assert sets.tolist() == [[True, True], [True, False], [True, True]]


def test_with_too_few_images_every_class_is_in_the_set():
    # ceil(5 * .95) = 5 of 4
    found = fit_conformal(np.full((4, 2), 0.5), np.zeros(4, int))
    assert found.set_threshold == math.inf
    assert found.prediction_sets(np.array([[1.0, 0.0]])).all()
    assert found.to_json()["set_threshold"] is None


@pytest.mark.parametrize(("size", "error_rate"), [(30, 0.1), (50, 0.05)])
def test_sets_cover_the_truth_as_often_as_the_theorem_says(size, error_rate):
    random, draws, others = np.random.default_rng(0), 400, 100
    covered = np.empty(draws)
    for draw in range(draws):
        probabilities, labels = draw_logits(random, size + others, scale=3.0)
        found = fit_conformal(probabilities[:size], labels[:size], error_rate)
        sets = found.prediction_sets(probabilities[size:])
        covered[draw] = sets[np.arange(others), labels[size:]].mean()
    # Without ties the coverage is rank / (n + 1), which is at least 1 - error_rate.
    expected = math.ceil((size + 1) * (1 - error_rate)) / (size + 1)
    # Of a draw it varies as Beta(rank, n + 1 - rank), and then as a binomial.
    spread = math.sqrt(expected * (1 - expected) * (1 / size + 1 / others) / draws)
    assert abs(covered.mean() - expected) < 4 * spread


def true_error(threshold, over):
    """Of `draw_predictions` above a threshold t: the accuracy is (t + 1) / 2 - over."""
    return 1 - ((max(threshold, 0.6) + 1) / 2 - over)


@pytest.mark.parametrize("over", [0.0, 0.1])
def test_answers_keep_to_the_error_rate_with_the_confidence_level(over):
    random, draws, error_rate = np.random.default_rng(1), 400, 0.15
    drawn = [draw_predictions(random, 400, over) for _ in range(draws)]
    found = [fit_conformal(*predictions, error_rate) for predictions in drawn]
    broken = sum(
        one.wrong is not None and true_error(one.answer_threshold, over) > error_rate
        for one in found
    )
    assert broken <= stats.binom.ppf(0.999, draws, 0.05)


def test_answers_are_many_where_the_model_is_good():
    random = np.random.default_rng(2)
    probabilities, labels = draw_predictions(random, 2000)
    found = fit_conformal(probabilities, labels, 0.15)
    # At t = .7 the error is 15%, and a quarter of the examples lies below.
    assert 0.6 < found.answered < 0.75 and found.wrong < 0.15
    is_answered = found.is_answered(probabilities)
    assert is_answered.mean() == found.answered
    wrong = probabilities.argmax(axis=1) != labels
    assert wrong[is_answered].mean() == found.wrong
    assert f"({found.answered:.0%} of the examples)" in found.conclusion


@pytest.mark.parametrize(("size", "answered"), [(58, 0.0), (59, 1.0)])
def test_binomial_test_decides_how_many_correct_answers_are_enough(size, answered):
    # .95^58 = .0510 and .95^59 = .0485; of equal confidences all or none are answered.
    found = fit_conformal(np.tile([[1.0, 0.0]], (size, 1)), np.zeros(size, int))
    assert found.answered == answered
    assert found.is_answered(np.array([[0.6, 0.4]])).mean() == answered
    assert json.loads(json.dumps(found.to_json()))["answer_threshold"] is None


def test_answers_end_before_the_first_share_that_fails():
    # The more confident half of 400 is correct, and every second one of the other half.
    confidence = np.linspace(0.99, 0.6, 400)
    labels = ((np.arange(400) >= 200) & (np.arange(400) % 2 == 1)).astype(int)
    found = fit_conformal(np.stack([confidence, 1 - confidence], axis=1), labels, 0.1)
    # Of 220 ten are wrong: P(Bin(220, .1) <= 10) = .003; of 240 twenty: .22.
    assert stats.binom.cdf(10, 220, 0.1) < 0.05 < stats.binom.cdf(20, 240, 0.1)
    assert found.answered == 0.55 and found.answer_threshold == pytest.approx(confidence[220])
    assert found.wrong == 10 / 220


def test_nothing_is_answered_where_nothing_is_known():
    found = fit_conformal(*draw_predictions(np.random.default_rng(3), 30, over=0.5))
    assert (found.answered, found.wrong) == (0.0, None)
    assert not found.is_answered(np.array([[1.0, 0.0]])).any()
    assert "No confidence threshold" in found.conclusion


@pytest.mark.parametrize("rates", [(0.0, 0.95), (0.05, 1.0)])
def test_rates_lie_between_0_and_1(rates):
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        fit_conformal(np.array([[1.0, 0.0]]), np.array([0]), *rates)


def test_equal_confidences_at_the_top_are_no_obstacle():
    # 600 of 1000 images have a probability of one, and all of these are correct.
    probabilities = np.tile([0.7, 0.3], (1000, 1))
    probabilities[:600] = [1.0, 0.0]
    labels = np.zeros(1000, int)
    labels[600:800] = 1
    found = fit_conformal(probabilities, labels)
    assert found.answered == 0.6
