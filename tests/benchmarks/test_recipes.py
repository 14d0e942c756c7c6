import pytest

from benchmarks import dead_stages, library_recipe
from keras_transfer.transferability import layer_probes

NETWORK = "MobileNetV2-random"


def share(hits):
    return hits.count("1") / len(hits)


def test_hits_are_those_of_the_accuracy(data_set):
    (row,) = library_recipe.measure("default", data_set, NETWORK, 32, seed=0, epochs=1)
    assert len(row["validation_hits"]) == 6
    assert row["values"]["final_accuracy"] == pytest.approx(share(row["validation_hits"]))
    assert row["values"]["epochs"] == len(row["plan"]["phases"])


@pytest.mark.slow
def test_a_network_is_compared_with_its_part(data_set, monkeypatch):
    # Of so few pictures no stage is dead for sure.
    monkeypatch.setattr(layer_probes, "_MOST_LOSS", 1.0)
    whole, cut = dead_stages.measure(data_set, NETWORK, 32, seed=0)
    assert (whole["row"], cut["row"]) == ("whole", "cut")
    assert whole["boundary"] is None
    assert cut["values"]["model_megabytes"] < whole["values"]["model_megabytes"]
    for row in (whole, cut):
        assert row["values"]["rate"] > 0
        assert row["values"]["final_accuracy"] == pytest.approx(share(row["validation_hits"]))
