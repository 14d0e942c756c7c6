import pytest

from benchmarks import dead_stages, library_recipe
from tests.photographs import made_up

NETWORK = "MobileNetV2-random"


@pytest.fixture
def data_set(tmp_path, monkeypatch):
    """A data set without a split, which is divided by links that do not stay."""
    for label, name in enumerate(("dark", "light")):
        for number in range(15):
            path = tmp_path / "photos" / name / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = made_up(100 * label + number)
            image.point(lambda value, label=label: value * (0.4 + 0.6 * label)).save(path)
    monkeypatch.setenv("KERAS_TRANSFER_DATA", str(tmp_path))
    return "photos"


def share(hits):
    return hits.count("1") / len(hits)


def test_hits_are_those_of_the_accuracy(data_set):
    (row,) = library_recipe.measure("default", data_set, NETWORK, 32, seed=0, epochs=1)
    assert len(row["validation_hits"]) == 6
    assert row["values"]["final_accuracy"] == pytest.approx(share(row["validation_hits"]))
    assert row["values"]["epochs"] == len(row["plan"]["phases"])


def test_a_network_is_compared_with_its_part(data_set):
    whole, cut = dead_stages.measure(data_set, NETWORK, 32, seed=0)
    assert (whole["row"], cut["row"]) == ("whole", "cut")
    assert whole["boundary"] is None
    assert cut["values"]["model_megabytes"] < whole["values"]["model_megabytes"]
    for row in (whole, cut):
        assert row["values"]["rate"] > 0
        assert row["values"]["final_accuracy"] == pytest.approx(share(row["validation_hits"]))
