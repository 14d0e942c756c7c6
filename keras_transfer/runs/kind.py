"""What differs between runs on images, texts, sounds and the rows of a table."""

import os

import numpy as np
import tensorflow as tf

from keras_transfer import _progress
from keras_transfer.models import TransferModel
from keras_transfer.runs.worst_texts import worst_texts


class NotTakenError(ValueError):
    """An argument that has no effect here."""

    exit_code = 2  # of the command line, as for any wrong argument


def refuse(why, names, hint=""):
    """Raises `NotTakenError` about arguments that have no effect, if there are any."""
    if names:
        listed = ", ".join(f"`{name}` (--{name.replace('_', '-')})" for name in sorted(names))
        them = "it" if len(names) == 1 else "them"
        raise NotTakenError(f"{why}: {listed} would have no effect. Leave {them} out.{hint}")


# Arguments of `fit`, `evaluate` and other commands that only some kinds take.
OF_CSV = frozenset({"targets", "task", "group"})
OF_FOLDERS = frozenset({"metadata", "group"})


class Kind:
    """What the examples of a run are: how they are read, built for, predicted and shown.

    Attributes:
        name: as in `ImageSplits.kind`.
        thing: what an example is, in the singular.
        word: what the command `predict` takes.
        taken: what a network takes in, as `taken_by` says it.
        wanted: which network to name, the end of an error.
        is_augmented: whether an augmentation changes the training examples.
        takes: names of the arguments that have an effect, of those that not all kinds take.
    """

    name = ""
    thing = ""
    word = ""
    taken = ""
    wanted = ""
    is_augmented = False
    takes: frozenset = frozenset()

    @property
    def things(self):
        """What the examples are, in the plural."""
        return f"{self.thing}s"

    # Before and in a training.

    def named(self, choice):
        """The `NetworkChoice`, where the kind has a default of its own."""
        return choice

    def ready_network(self, choice):
        """The `Backbone` of a `NetworkChoice` if it does not depend on the data, or None."""
        return choice.transferred()

    def image_shape(self, data, choice, ready, image_size):
        """`(height, width)` and the number of channels; `(None, None)` without images."""
        return None, None

    def reading(self, backbone, channels=None, model=None):
        """Arguments of `read_source`.

        Args:
            backbone: the `Backbone`, or None if it is made after the reading.
            channels: of images.
            model: the trained model of a run, whose decoding is used again; None in a training.
        """
        return {}

    def network(self, choice, splits, shape):
        """The `Backbone` for an `ImageSplits`, where `ready_network` has none."""
        raise NotImplementedError

    def check_network(self, backbone):
        """Raises `ValueError` if a network does not take what the data give."""
        takes = taken_by(backbone)
        if takes != self.taken:
            raise ValueError(
                f"The network '{backbone.name}' takes {takes}, and the data are {self.taken}. "
                f"{self.wanted}"
            )

    def head(self, task, splits, dropout, choice):
        """The head for a `Task` and an `ImageSplits`."""
        return task.head(splits, dropout)

    def model(self, backbone, head, truncate_at, choice, splits):
        """The `TransferModel` to train."""
        return TransferModel(backbone, head, truncate_at=truncate_at)

    def plan(self, choice, splits, batch_size):
        """The default `Plan`; None where the number of examples decides."""
        return None

    def references(self, before, heads, splits, own, cache, choice):
        """What to compare the trained model with, a `References`, or None.

        Args:
            before: the `BackboneBefore`.
            heads: the head of the model.
            splits: the `ImageSplits`.
            own: the measures of the trained model on the validation set.
            cache: the `FeatureCache`, or None.
            choice: the `NetworkChoice`.
        """
        return None

    def export_examples(self, model, splits, number):
        """A few inputs by name, if possible not from training; None for noise."""
        split = next(s for s in ("test", "validation", "train") if splits.labels.get(s))
        dataset = splits.train_in_order if split == "train" else getattr(splits, split)
        inputs = next(iter(dataset))[0]
        named = inputs if isinstance(inputs, dict) else {model.inputs[0].name: inputs}
        return {name: rows[:number].numpy() for name, rows in named.items()}

    # A trained run.

    def predict(self, run, given):
        """What `Run.predict` returns."""
        raise NotImplementedError

    def described(self, run):
        """What the model takes, for pages."""
        return self.things

    def mistakes(self, run, gallery):
        """The section of a page with mistakes of classes."""
        return worst_texts(run, self.thing)

    def usage(self, run):
        """What the model takes in a program: a sentence, and the comment on a line of code."""
        return f"The model takes {self.things}, and contains its preprocessing.", self.things


def predicted(run, names, inputs, unreadable=()):
    """What a run predicts for inputs in memory: an array, or a dict of arrays."""
    outputs = run.task.nothing(run)
    if names:
        dataset = tf.data.Dataset.from_tensor_slices(inputs).batch(32)
        with _progress.step("predicting", len(names)) as advance:
            outputs = run.task.infer(run.model, dataset, advance)
    return run.task.predicted(list(names), np.asarray(outputs), list(unreadable), run)


def listed(given):
    """A list of what `predict` got: one path or text, or several."""
    return [given] if isinstance(given, (str, os.PathLike)) else [*given]


def taken_by(backbone):
    """What a network takes in: "images", "texts", "rows", "sounds" or "other inputs"."""
    first, *others = backbone.inputs
    if backbone.takes_images:
        return "images"
    if all(tuple(one.shape[1:]) == (1,) for one in backbone.inputs):
        return "rows"
    if first.dtype == "string":
        return "texts"
    is_sound = not others and len(first.shape) == 2 and "float" in first.dtype
    return "sounds" if is_sound else "other inputs"
