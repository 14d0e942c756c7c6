"""What is said of networks before a training, beside what they reach by it."""

import dataclasses
import tempfile

import keras

from benchmarks import child, library_models, library_recipe, picture_folders
from keras_transfer import data, heads, models, training, transferability
from keras_transfer.backbones.backbone import random_twin

_SCORES = {"probe": "accuracy", "LogME": "logme", "H-score": "h_score"}


def measure(data_set, networks, image_size, seed, limit=None):
    """Scores networks and their random twins, and fine-tunes each by the default plan.

    Args:
        data_set: see `picture_folders.opened`, as for `limit`.
        networks: names in `networks.NETWORKS`.
        image_size: in pixels.
        seed: for everything random.
        limit: the largest number of pictures a class. Defaults to None, all.

    Returns:
        A row for each candidate, and one for each score with Kendall's tau.
    """
    with (
        picture_folders.opened(data_set, limit) as folder,
        tempfile.TemporaryDirectory() as directory,
    ):
        splits = data.image_folder(folder.path, image_size=image_size)
        candidates = _candidates(networks, image_size, seed)
        cache = library_models.feature_cache(directory)
        scores = transferability.rank_backbones(
            candidates, splits.train, cache, seed=seed
        ).scores
        reached = {
            name: _fine_tuned(backbone, splits, cache, seed)
            for name, backbone in candidates.items()
        }
    rows = [_row(score, reached[score.name]) for score in scores]
    return rows + [_correlation(name, key, rows) for name, key in _SCORES.items()]


def _candidates(networks, image_size, seed):
    found = {name: library_models.backbone(name, image_size) for name in networks}
    twins = {f"{name}, random": random_twin(backbone, seed) for name, backbone in found.items()}
    return found | twins


def _fine_tuned(backbone, splits, cache, seed):
    keras.utils.set_random_seed(seed)
    head = heads.SoftmaxHead(len(splits.class_names), dropout=0.2)
    model = models.TransferModel(backbone, head)
    train = data.augmentation.standard()(splits.train)
    training.fine_tune(model, train, splits.validation, cache=cache, verbose=0)
    return library_recipe.accuracies(model, splits)


def _row(score, accuracies):
    wanted = dataclasses.asdict(score)
    values = {f"score_{key}": wanted[key] for key in _SCORES.values()}
    return {"row": score.name, "values": values | accuracies}


def _correlation(name, key, rows):
    from scipy.stats import kendalltau

    scores, reached = (
        [row["values"][value] for row in rows] for value in (f"score_{key}", "final_accuracy")
    )
    return {"row": name, "values": {"tau": float(kendalltau(scores, reached).statistic)}}


if __name__ == "__main__":
    child.main(measure)
