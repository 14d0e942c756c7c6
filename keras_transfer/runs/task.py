"""What differs between runs that predict one class, several labels, numbers or masks."""

import keras
import numpy as np

from keras_transfer._text import counted
from keras_transfer.data.image_splits import label_array


class Task:
    """What a run predicts, and so what is measured, said and shown about it.

    Attributes:
        name: as in `ImageSplits.task`.
        nouns: what an output stands for, in the singular and in the plural.
        outputs: what the model returns.
        quality: what tells how good a run is, the subject of a sentence.
        kept_epoch: the sentence about the epoch whose weights are kept.
        is_calibrated: whether the output of the model before its activation is what a
            temperature calibrates.
        is_audited: whether an audit finds leaks and label errors of such data.
        is_folded: whether a cross-validation measures it.
        best_epoch: how a page calls the epoch with the best validation measure.
        takes: names of the options of `predict` and `evaluate` that have an effect, of those
            that not all tasks take.
    """

    name = ""
    nouns = ("", "")
    outputs = ""
    quality = ""
    kept_epoch = ""
    best_epoch = ""
    is_audited = False
    is_folded = False
    is_calibrated = True
    takes: frozenset = frozenset()

    def counted(self, names):
        """The number of outputs in words."""
        return counted(len(names), *self.nouns)

    def head(self, splits, dropout):
        """The head for this task and an `ImageSplits`."""
        raise NotImplementedError

    def is_head(self, head):
        """Whether a head is one for this task."""
        raise NotImplementedError

    def augmentation(self, found):
        """What suits this task of an `Augmentation`."""
        return found

    def labels(self, found):
        """The labels of a split as an array."""
        return label_array(found)

    def predict(self, model, dataset):
        """What the measures of a split need of a model, an array with a row for each image."""
        return np.asarray(model.predict(dataset, verbose=0))

    def shown(self, model, dataset, outputs):
        """Further arrays about a split that a page shows, a dict of name to array."""
        return {}

    def infer(self, model, dataset, advance):
        """What `predicted` takes, for images without labels.

        Args:
            model: the `TransferModel`.
            dataset: of images.
            advance: a function of the number of images that were predicted.
        """
        told = keras.callbacks.LambdaCallback(
            on_predict_batch_end=lambda batch, logs: advance(len(logs["outputs"]))
        )
        return np.asarray(model.predict(dataset, verbose=0, callbacks=[told]))

    def nothing(self, run):
        """The same for no images."""
        return np.zeros((0, len(run.class_names)), "float32")

    def check_classes(self, splits, names):
        """Raises `ValueError` unless data have this task and classes, in this order."""
        if splits.task != self.name or tuple(splits.class_names) != tuple(names):
            raise ValueError(
                f"The model knows the classes {', '.join(map(repr, names))} of {self.name}. "
                f"Received: {splits.task} {', '.join(map(repr, splits.class_names))}"
            )

    def temperature(self, logits, labels):
        """The temperature that calibrates the model, one for each label, or None.

        Args:
            logits: what the model returns for the validation set before the activation of its
                head; None without a validation set.
            labels: of the validation set, or None.
        """
        return None

    def outputs_of(self, logits, temperature):
        """What the model returns, calibrated with a temperature or None."""
        return logits

    def chosen(self, predictions, names):
        """What the validation set decides for the use of the model, a dict for `metrics.json`.

        Args:
            predictions: of the calibrated model.
            names: of the outputs.
        """
        return {}

    def measured(self, predictions, names, model, chosen):
        """What `measure` finds, and the number of groups that its intervals count."""
        found, groups = self.measure(predictions, names, model, chosen), predictions.groups
        return found if groups is None else {**found, "groups": len(np.unique(groups))}

    def measure(self, predictions, names, model, chosen):
        """The measures of one split, a dict that JSON holds.

        Args:
            predictions: of the model.
            names: of the outputs.
            model: the `TransferModel`.
            chosen: what `chosen` returned.
        """
        raise NotImplementedError

    def headlines(self, measured):
        """The measures that count most: a dict of name to the value and its 95% interval."""
        return {}

    def figures(self, measured, predictions, names):
        """The figures of a run beside its learning curves, a dict of file name to figure."""
        return {}

    def aligned(self, splits, split, names):
        """The labels of a split for a model with these names.

        Raises:
            ValueError: if they do not fit.
        """
        raise NotImplementedError

    def predicted(self, paths, outputs, unreadable, run):
        """What `Run.predict` returns."""
        raise NotImplementedError

    def line(self, measured):
        """The measures of a split in a line."""
        raise NotImplementedError

    def size(self, measured):
        """The number of images that were measured, and of their groups."""
        groups = measured.get("groups")
        of_groups = "" if groups is None else f" of {counted(groups, 'group')}"
        return f"n = {measured['images']}{of_groups}"

    def table(self, measured, names):
        """The measures of each class, label or number as text below that line."""
        raise NotImplementedError

    def evaluation(self, measured, names):
        """The measures as `keras-transfer evaluate` prints them."""
        return f"{self.line(measured)}\n\n{self.table(measured, names)}"

    def verdict(self, run, measured):
        """The verdict on the measures of a split, as in `verdict.verdict`."""
        raise NotImplementedError

    def sections(self, run, images):
        """The sections of a page about the predictions of a run."""
        raise NotImplementedError

    def use(self, run):
        """What the model is meant for, in sentences."""
        raise NotImplementedError
