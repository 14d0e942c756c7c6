"""A network with and without the stages that `probe_layers` calls dead."""

import statistics
import tempfile
import time

import keras
import numpy as np

from benchmarks import child, library_models, library_recipe, picture_folders, timing
from keras_transfer import data, heads, models, training, transferability

_PICTURES, _ROUNDS = 128, 7


def measure(data_set, network, image_size, seed, limit=None):
    """Fine-tunes both by the default plan; where no stage is dead, says so.

    Args:
        data_set: see `picture_folders.opened`, as for `limit`.
        network: a name in `networks.NETWORKS`.
        image_size: in pixels.
        seed: for everything random.
        limit: the largest number of pictures a class. Defaults to None, all.
    """
    with (
        picture_folders.opened(data_set, limit) as folder,
        tempfile.TemporaryDirectory() as directory,
    ):
        splits = data.image_folder(folder.path, image_size=image_size)
        keras.utils.set_random_seed(seed)
        backbone = library_models.backbone(network, image_size)
        cache = library_models.feature_cache(directory)
        probes = transferability.probe_layers(backbone, splits.train, cache)
        if not probes.dead_stages:
            return [{"row": "cut", "skipped": probes.conclusion}]
        trained = {
            row: _trained(network, image_size, splits, seed, boundary)
            for row, boundary in (("whole", None), ("cut", probes.freeze_point))
        }
    rates = _rates({row: model for row, (model, _) in trained.items()}, image_size)
    return [
        {"row": row, **measured, "values": {**measured["values"], "rate": rates[row]}}
        for row, (_, measured) in trained.items()
    ]


def _trained(network, image_size, splits, seed, boundary):
    """A model fine-tuned from an empty cache, and what was measured meanwhile."""
    keras.utils.set_random_seed(seed)
    model = models.TransferModel(
        library_models.backbone(network, image_size),
        heads.SoftmaxHead(len(splits.class_names), dropout=0.2),
        truncate_at=boundary,
    )
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        training.fine_tune(
            model,
            data.augmentation.standard()(splits.train),
            splits.validation,
            cache=library_models.feature_cache(directory),
            verbose=0,
        )
    values = {"seconds": time.perf_counter() - started}
    values |= library_recipe.accuracies(model, splits)
    values["model_megabytes"] = sum(weight.numpy().nbytes for weight in model.weights) / 1e6
    hits = library_recipe.hits(model, splits.validation)
    return model, {"values": values, "validation_hits": hits, "boundary": boundary}


def _rates(models_by_row, image_size):
    """The pictures a second that `predict` answers, the median of several turns."""
    images = np.zeros((_PICTURES, image_size, image_size, 3), "float32")

    def answering(model):
        model.predict(images, verbose=0)  # traces it
        return lambda: {"pictures": len(model.predict(images, verbose=0))}

    contestants = {row: answering(model) for row, model in models_by_row.items()}
    rows = timing.alternate(contestants, _ROUNDS)
    return {
        name: statistics.median(row["values"]["rate"] for row in rows if row["row"] == name)
        for name in contestants
    }


if __name__ == "__main__":
    child.main(measure)
