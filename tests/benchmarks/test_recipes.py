import pytest

from benchmarks import rates, recipes, scores
from keras_transfer._statistics import intervals

NETWORK = "MobileNetV2-random"


def share(hits):
    return hits.count("1") / len(hits)


@pytest.mark.exhaustive
def test_hits_are_those_of_the_accuracy(data_set):
    (row,) = recipes.library("default", data_set, NETWORK, 32, seed=0)
    assert len(row["validation_hits"]) == 6
    assert row["values"]["final_accuracy"] == pytest.approx(share(row["validation_hits"]))
    assert row["plan"]["phases"]


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
def test_the_guides_recipe_trains(data_set):
    (row,) = recipes.guide("guide", data_set, NETWORK, 32, epochs=1, seed=0)
    assert 0 <= row["values"]["final_accuracy"] <= 1 and row["values"]["seconds"] > 0


@pytest.mark.exhaustive
def test_a_network_is_compared_with_its_part(data_set, monkeypatch):
    # With 24 images no stage is dead otherwise.
    monkeypatch.setattr(intervals, "_MOST_LOSS", 1.0)
    whole, cut = scores.dead_stages(data_set, NETWORK, 32, seed=0)
    assert (whole["row"], cut["row"]) == ("whole", "cut")
    assert cut["values"]["model_megabytes"] < whole["values"]["model_megabytes"]
    for row in (whole, cut):
        assert row["values"]["rate"] > 0
        assert row["values"]["final_accuracy"] == pytest.approx(share(row["validation_hits"]))


@pytest.mark.exhaustive
def test_candidates_are_scored_and_trained(data_set):
    *candidates, probe, _, _ = scores.ranking(data_set, [NETWORK], 32, seed=0)
    assert {row["row"] for row in candidates} == {NETWORK, f"{NETWORK}, random"}
    assert "final_accuracy" in candidates[0]["values"] and set(probe["values"]) == {"tau"}


def test_each_round_starts_with_the_next_contestant():
    called = []

    def contestant(name, done):
        return lambda: called.append(name) or done

    contestants = {"a": contestant("a", {"images": 4}), "b": contestant("b", {"steps": 2})}
    rows = rates.alternate(contestants, 3)
    assert called == ["a", "b", "b", "a", "a", "b"]
    assert [(row["row"], row["round"]) for row in rows] == [
        (name, number) for name in "ab" for number in range(3)
    ]
    values = rows[0]["values"]
    assert values["rate"] == pytest.approx(4 / values["seconds"])
    assert rows[-1]["values"]["milliseconds"] == pytest.approx(
        500 * rows[-1]["values"]["seconds"]
    )


def test_steps_are_timed_side_by_side():
    rows = rates.steps(NETWORK, 32, steps=1, rounds=1)
    assert [row["row"] for row in rows] == [
        "AdamW", "AdamW again", "LearningRateMultiplier(AdamW)",
    ]  # fmt: skip
