"""What a run on a table, or on images with a row, is compared with: linear models."""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_transfer._statistics.intervals import paired_interval
from keras_transfer.backbones import Backbone
from keras_transfer.features import NoRoomError
from keras_transfer.runs import blocks
from keras_transfer.training.exact_head import head_solution

_SPLITS, _OWN = ("train", "validation"), "this model"


@dataclasses.dataclass(frozen=True)
class References:
    """Models that a trained one is compared with, on the validation set.

    Attributes:
        accuracies: a dict of what a model knows to its accuracy.
        num_images: the number of validation examples.
        conclusion: what the accuracies say, a sentence.
    """

    accuracies: dict
    num_images: int
    conclusion: str

    def rows(self):
        """A row for each model, the first one the header."""
        found = [(name, f"{share:.1%}") for name, share in self.accuracies.items()]
        return [("model", "validation accuracy"), *found]

    def to_json(self):
        """The figures as JSON values."""
        return dataclasses.asdict(self)


def references_of_table(splits, own, source=None):
    """Logistic regression on the columns, and the source as it is; None without validation.

    Args:
        splits: the `ImageSplits`.
        own: the measures of the trained model on the validation set.
        source: the `TransferModel` that it started from, or None.
    """
    if not _has_both(splits):
        return None
    labels = [np.array(splits.labels[split]) for split in _SPLITS]
    rows = [_encoded(splits, split) for split in _SPLITS]
    accuracies = {"logistic regression on the columns": float(_linear(rows, labels).mean())}
    if source is not None:
        outputs = np.asarray(source.predict(splits.validation, verbose=0))
        accuracies["the source as it is"] = float(_hits(outputs, labels[1]).mean())
    low, high = own["accuracy_interval"]
    best = max(accuracies.values())
    says = "The model is better than these" if best < low else "The model is worse"
    says = "No difference to the best of these is shown" if low <= best <= high else says
    listed = ", ".join(f"{name} {share:.1%}" for name, share in accuracies.items())
    text = (
        f"{says}: {listed}; the model {own['accuracy']:.1%} (95% CI {low:.1%} to {high:.1%}, "
        f"n = {len(labels[1])})."
    )
    return References({_OWN: own["accuracy"], **accuracies}, len(labels[1]), text)


def references_of_row(model, splits, own, cache):
    """Linear models of the image, of the row, and of both; None if they cost much.

    The features of the frozen network are those that the training of the head has cached.
    """
    if cache is None or not _has_both(splits):
        return None
    try:
        found = [cache.extract(model, getattr(splits, split)).arrays() for split in _SPLITS]
    except NoRoomError:
        return None
    labels = [one[1] for one in found]
    images = [_flat(one[0][:1]) for one in found]
    rows = [_flat(one[0][1:]) for one in found]
    both = [np.concatenate(pair, axis=1) for pair in zip(images, rows, strict=True)]
    groups = splits.groups.get("validation")
    image, row, joined = (_linear(given, labels) for given in (images, rows, both))
    of_image, of_row = (_gain(joined, other, groups) for other in (row, image))
    text = (
        f"Beside the row the image adds {of_image}, and beside the image the row adds "
        f"{of_row}: linear models on the features of the network as it was, "
        f"n = {len(labels[1])}."
    )
    hits = {
        "linear, the image alone": image, "linear, the row alone": row, "linear, both": joined
    }  # fmt: skip
    shares = {name: float(found.mean()) for name, found in hits.items()}
    accuracies = {_OWN: own["accuracy"], **shares}
    return References(accuracies, len(labels[1]), text)


def _gain(hits, others, groups):
    """By how many points of accuracy one model is better than another, with its interval."""
    gains = hits.astype(int) - others
    low, high = paired_interval(gains, groups)
    says = "" if low > 0 or high < 0 else ": no difference shown"
    return (
        f"{100 * gains.mean():+.1f} points of accuracy (95% CI {100 * low:+.1f} to "
        f"{100 * high:+.1f}{says})"
    )


def references_section(run):
    """The section of a page; None without references."""
    found = run.course.get("references")
    if not found:
        return None
    found = References(**found)
    table = blocks.table(found.rows(), numbers=(1,))
    parts = [table, blocks.text(found.conclusion)]
    return blocks.section("references", "Compared with linear models", parts)


def _has_both(splits):
    return splits.validation is not None and splits.task == "classes"


def _encoded(splits, split):
    """The preprocessed columns of a split."""
    encode = Backbone.from_table(splits.columns["train"], hidden_units=())
    columns = {name: tf.constant(rows.tolist()) for name, rows in splits.columns[split].items()}
    return np.asarray(encode(columns if encode.inputs[1:] else next(iter(columns.values()))))


def _flat(arrays):
    """Arrays of features side by side; a missing number counts as 0."""
    flat = [np.asarray(one, "float32").reshape(len(one), -1) for one in arrays]
    return np.nan_to_num(np.concatenate(flat, axis=1))


def _linear(features, labels):
    """Whether a regression on the training set is right, for each validation example."""
    kernel, bias, _ = head_solution(features[0], labels[0])
    return _hits(features[1] @ kernel + bias, labels[1])


def _hits(outputs, labels):
    return outputs.argmax(axis=1) == labels
