import pytest

from benchmarks import few_labels
from benchmarks.jobs import UnavailableError


def values_of(rows):
    (row,) = rows
    return row["values"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The images have")
def test_unlabelled_images_are_compared_with_those_of_the_source(data_set):
    found = values_of(
        few_labels.self_supervised("photos", data_set, "MobileNetV2-random", 32, 1, 0)
    )
    gain = found["pretrained_5"] - found["imagenet_5"]
    assert found["gain_5"] == gain
    assert {"gain_1", "gain_20", "gain_tuned_5", "seconds"} <= set(found)


@pytest.mark.slow
def test_an_update_is_compared_with_the_whole_stage(data_set):
    found = values_of(
        few_labels.low_rank("rank 2", data_set, "MobileNetV2-random", 32, 2, "frozen", 0)
    )
    assert 0 < found["share_of_weights"] < 1 and 0 < found["share_of_bytes"] < 1
    assert found["merge_difference"] < 1e-5


def test_sizes_are_used_at_each_other(data_set):
    found = values_of(few_labels.sizes("probes", data_set, "MobileNetV2-random", [32, 64], 0))
    assert set(found) == {
        f"trained_{one}_used_{other}" for one in (32, 64) for other in (32, 64)
    }


def test_without_wordnet_it_is_skipped(tmp_path):
    with pytest.raises(UnavailableError, match="WordNet"):
        few_labels.related_classes("photos", "hymenoptera", 32, 0, wordnet=str(tmp_path))
