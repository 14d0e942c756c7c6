"""Which labels a head can train on."""

import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.heads import SigmoidHead, SoftmaxHead

# The kind of labels that a loss compares, by its name without "_".
_KINDS = {
    "softmaxcrossentropy": "classes",
    "sparsecategoricalcrossentropy": "indices",
    "categoricalcrossentropy": "probabilities",
    "categoricalfocalcrossentropy": "probabilities",
    "binarycrossentropy": "tags",
    "binaryfocalcrossentropy": "tags",
    "meansquarederror": "values",
    "meanabsoluteerror": "values",
    "meanabsolutepercentageerror": "values",
    "huber": "values",
    "segmentationloss": "indices",
    "centerloss": "boxes",
    "logcosh": "values",
}
_SUM_TOLERANCE = 1e-2


@dataclasses.dataclass(frozen=True)
class LabelRule:
    """The labels that a loss can compare with the output of a head.

    Attributes:
        kind: "indices" of classes, "probabilities" of all classes, "classes" (either of them),
            "tags" (from 0 to 1, one per output), "values" (finite numbers) or "boxes".
        head: the head as in code, such as "SoftmaxHead(3)".
        units: the number of outputs.
        rank: the number of dimensions of the output, with that of the batch.
        ignored: the label that the loss leaves out, or None.
    """

    kind: str
    head: str
    units: int
    rank: int
    ignored: int | None = None

    def check_spec(self, shape, dtype):
        """Raises `ValueError` if labels of a shape (None for unknown) and dtype do not fit."""
        dtype = tf.as_dtype(dtype)
        if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
            raise ValueError(
                f"{self._expected()} Map each label to its number. "
                f"Received: labels of type {dtype.name}"
            )
        if shape.rank is not None and self._kind_of(shape) is None:
            raise ValueError(
                f"{self._expected()}{self._other_shape(shape)} Received: labels of shape "
                f"{tuple(shape)} and type {dtype.name}"
            )

    def _kind_of(self, shape):
        """The kind that labels of a shape are, or None if the shape is wrong."""
        if self.kind == "boxes":
            return "boxes" if len(shape) == 3 and shape[-1] in (5, None) else None
        is_row = len(shape) == self.rank and shape[-1] in (self.units, None)
        is_single = len(shape) == self.rank - 1 or (
            len(shape) == self.rank and shape[-1] in (1, None)
        )
        if self.kind in ("classes", "probabilities") and is_row:
            return "probabilities"
        if self.kind in ("classes", "indices") and is_single:
            return "indices"
        if self.kind in ("tags", "values") and (is_row or (self.units == 1 and is_single)):
            return self.kind
        return None

    def fits(self, labels):
        """A bool tensor: whether all labels of a batch are in their range."""
        kind = self._kind_of(labels.shape) if labels.shape.rank is not None else None
        labels = tf.cast(labels, "float64")
        if kind == "boxes":
            return self._are_boxes(labels)
        if kind is None or kind == "values":
            return tf.reduce_all(tf.math.is_finite(labels))
        highest = self.units - 1 if kind == "indices" else 1
        fits = tf.reduce_all((labels >= 0) & (labels <= highest))
        if kind == "indices":
            fit = (labels >= 0) & (labels <= highest) & (labels == tf.floor(labels))
            return tf.reduce_all(
                fit | (labels == (0 if self.ignored is None else self.ignored))
            )
        if kind == "probabilities":
            total = tf.reduce_sum(labels, axis=-1)
            return fits & tf.reduce_all(tf.abs(total - 1) <= _SUM_TOLERANCE)
        return fits

    def _are_boxes(self, labels):
        kinds, sides = labels[..., 4], labels[..., :4]
        is_kind = (kinds >= -1) & (kinds < self.units) & (kinds == tf.floor(kinds))
        is_box = tf.reduce_all((sides >= 0) & (sides <= 1), axis=-1)
        is_box &= tf.reduce_all(sides[..., 2:] >= sides[..., :2], axis=-1)
        return tf.reduce_all(is_kind & (is_box | (kinds < 0)))

    def problem(self, labels):
        """What is wrong with an array of labels that does not fit: one line."""
        found = _range_of(labels)
        if self._kind_of(labels.shape) == "indices":
            found += self._mend(labels)
        elif self.kind in ("classes", "probabilities") and np.all(
            (labels >= 0) & (labels <= 1)
        ):
            found += ". Their sums differ from 1: several labels per image need a `SigmoidHead`"
        return f"{self._expected()} Received: labels {found}"

    def _mend(self, labels):
        low, high = np.min(labels), np.max(labels)
        if not math.isfinite(high) or np.any(labels != np.floor(labels)) or low < 0:
            return ""
        if low == 1 and high == self.units:
            return ". Do they count from 1? Subtract 1"
        return f". For classes up to {int(high)} the head needs {int(high) + 1} outputs"

    def _expected(self):
        what = {
            "indices": f"class indices from 0 to {self.units - 1}, as the compiled loss is "
            "sparse" + ("" if self.ignored is None else f" and leaves out {self.ignored}"),
            "probabilities": f"{self.units} probabilities per image (one-hot labels), for the "
            "compiled loss",
            "classes": f"class indices from 0 to {self.units - 1}, or {self.units} "
            "probabilities per image",
            "tags": f"{_counted(self.units)} from 0 to 1 per image",
            "values": f"{_counted(self.units)} per image, finite",
            "boxes": "boxes of shape (boxes, 5): left, top, right and bottom as fractions of "
            f"the image, and the class, from 0 to {self.units - 1} or -1 for none",
        }
        return f"`{self.head}` trains on {what[self.kind]}."

    def _other_shape(self, shape):
        if self.kind == "probabilities":
            return f" Use `keras.utils.to_categorical(labels, {self.units})`."
        if self.kind == "indices":
            return " Use `labels.argmax(axis=-1)`, or compile without a loss."
        if self.kind == "tags" and len(shape) < self.rank:
            return " One class per image needs a `SoftmaxHead`."
        return ""


def label_rule(head, loss, rank):
    """The `LabelRule` of a head and its compiled loss (None: its own); None if unknown."""
    loss = head.loss() if loss is None else loss
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    name = getattr(loss, "__name__", type(loss).__name__)
    kind = _KINDS.get(name.replace("_", "").lower())
    units = getattr(head.task, "units", None)
    ignored = getattr(loss, "ignore_class", None)
    if None in (kind, units) or (ignored is not None and kind != "indices"):
        return None
    return LabelRule(kind, _named(head), units, rank, ignored)


def check_class_weight(heads, class_weight):
    """Raises `ValueError` unless there is a weight for each class of the only head."""
    if class_weight is None:
        return
    task = None if isinstance(heads, dict) else heads.task
    binary = isinstance(task, SigmoidHead) and task.units == 1
    if not isinstance(task, SoftmaxHead) and not binary:
        raise ValueError(
            "`class_weight` needs one `SoftmaxHead`: other heads have no class per image. Pass "
            "a weight per image instead, as in (images, labels, weights). Received: "
            f"class_weight={class_weight!r} for {_named(heads)}"
        )
    number = 2 if binary else task.units
    weights = class_weight if isinstance(class_weight, dict) else {}
    are_numbers = all(
        isinstance(weight, (int, float, np.number)) for weight in weights.values()
    )
    if set(weights) != set(range(number)) or not are_numbers:
        raise ValueError(
            "`class_weight` must be a dict with a number for each class from 0 to "
            f"{number - 1} of `{_named(heads)}`. Received: class_weight={class_weight!r}"
        )
    if not all(0 <= weight < math.inf for weight in weights.values()):
        raise ValueError(
            "The weights in `class_weight` must be finite and not negative. "
            f"Received: class_weight={class_weight!r}"
        )


def _named(heads):
    if isinstance(heads, dict):
        return f"{len(heads)} heads"
    units = getattr(heads.task, "units", "")
    return f"{type(heads.task).__name__}({units})"


def _counted(units):
    return "one number" if units == 1 else f"{units} numbers"


def _range_of(labels):
    if not np.all(np.isfinite(labels)):
        return f"with NaN or infinity ({labels.dtype})"
    if np.issubdtype(labels.dtype, np.floating) and np.any(labels != np.floor(labels)):
        broken = labels[labels != np.floor(labels)].flat[0]
        return f"from {labels.min():g} to {labels.max():g}, such as {broken:g} ({labels.dtype})"
    return f"from {labels.min():g} to {labels.max():g} ({labels.dtype})"
