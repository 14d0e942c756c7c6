"""What the library says of networks before a training, beside what they reach by it."""

import statistics
import tempfile
import time

import keras
import numpy as np

from benchmarks import images, networks, rates, recipes
from keras_transfer import data, features, heads, models, transferability
from keras_transfer.backbones.random_twins import random_twin

_SCORES = {"probe": "accuracy", "LogME": "logme", "H-score": "h_score"}
_NUM_IMAGES, _ROUNDS = 128, 7


def ranking(data_set, candidates, image_size, seed, limit=None):
    """Scores networks and their random twins, and fine-tunes each by the default plan.

    Returns a row for each candidate, and one for each score with Kendall's tau.
    """
    from scipy.stats import kendalltau

    with images.opened(data_set, limit) as folder, tempfile.TemporaryDirectory() as directory:
        splits = data.image_folder(folder.path, image_size=image_size)
        found = {name: networks.backbone(name, image_size) for name in candidates}
        found |= {f"{name}, random": random_twin(one, seed) for name, one in found.items()}
        cache = features.FeatureCache(directory)
        scored = transferability.rank_backbones(found, splits.train, cache, seed=seed)
        rows = []
        for score in scored.scores:
            keras.utils.set_random_seed(seed)
            head = heads.SoftmaxHead(len(splits.class_names), dropout=0.2)
            model = models.TransferModel(found[score.name], head)
            recipes.fine_tune(model, splits, cache)
            values = {f"score_{name}": getattr(score, name) for name in _SCORES.values()}
            values |= recipes.accuracies(model, splits)
            rows.append({"row": score.name, "values": values})
    reached = [row["values"]["final_accuracy"] for row in rows]
    taus = {
        name: kendalltau([row["values"][f"score_{key}"] for row in rows], reached).statistic
        for name, key in _SCORES.items()
    }
    return rows + [{"row": name, "values": {"tau": float(tau)}} for name, tau in taus.items()]


def dead_stages(data_set, network, image_size, seed, limit=None):
    """Fine-tunes a network with and without the stages that `probe_layers` calls dead."""
    with images.opened(data_set, limit) as folder, tempfile.TemporaryDirectory() as directory:
        splits = data.image_folder(folder.path, image_size=image_size)
        keras.utils.set_random_seed(seed)
        probes = transferability.probe_layers(
            networks.backbone(network, image_size),
            splits.train,
            features.FeatureCache(directory),
        )
        if not probes.dead_stages:
            return [{"row": "cut", "skipped": probes.conclusion}]
        rows, trained = [], {}
        for row, boundary in (("whole", None), ("cut", probes.freeze_point)):
            keras.utils.set_random_seed(seed)
            model = trained[row] = networks.transfer_model(
                network, image_size, len(splits.class_names), truncate_at=boundary
            )
            started = time.perf_counter()
            recipes.fine_tune(model, splits)
            values = {"seconds": time.perf_counter() - started}
            values |= recipes.accuracies(model, splits)
            values["model_megabytes"] = sum(w.numpy().nbytes for w in model.weights) / 1e6
            found = recipes.hits(model, splits.validation)
            rows.append({"row": row, "values": values, "validation_hits": found})
    shown = np.zeros((_NUM_IMAGES, image_size, image_size, 3), "float32")
    answering = {row: rates.predicting(model, shown) for row, model in trained.items()}
    timed = rates.alternate(answering, _ROUNDS)
    for row in rows:
        found = [one["values"]["rate"] for one in timed if one["row"] == row["row"]]
        row["values"]["rate"] = statistics.median(found)
    return rows
