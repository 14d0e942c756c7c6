"""The network of a run, from what a user names."""

import contextlib
import dataclasses
import functools
import os
import pathlib
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import _progress
from keras_transfer._applications import APPLICATIONS
from keras_transfer._records import check_archive
from keras_transfer._text import reason_of
from keras_transfer.backbones import Backbone, read_vectors
from keras_transfer.backbones.presets import fitting_length
from keras_transfer.backbones.weights import check_finite
from keras_transfer.distribution.precision import mixed_precision_policy

# More words of a file of vectors take memory, and hardly ever occur.
_MOST_WORDS = 200_000
_LONGEST, _COVERED = 256, 0.99
# Texts whose words are looked up; a smaller share of known words raises a warning.
_MOST_CHECKED, _FEW_KNOWN = 2000, 0.5
# The name of a network that the data make, with random weights.
NEW = "new network"


@dataclasses.dataclass(frozen=True)
class NetworkChoice:
    """What a user names as network.

    Attributes:
        backbone: the name of a network or of a preset, a directory, the path of a run, of a
            `.keras` or of an `.onnx` file; or a `Backbone`.
        weights: as in `fit`, as all that follow.
        alpha: the width of a MobileNet.
        vectors: the file of word vectors, or None.
        sequence_length: of texts, or None.
    """

    backbone: str | os.PathLike | Backbone
    weights: str | os.PathLike | None = None
    alpha: float | None = None
    vectors: str | os.PathLike | None = None
    sequence_length: int | None = None

    @property
    def given(self):
        """The `Backbone` that was passed, or None."""
        return self.backbone if isinstance(self.backbone, Backbone) else None

    @property
    def name(self):
        """What to call the network."""
        if self.vectors is not None:
            return pathlib.PurePath(self.vectors).name
        return self.given.name if self.given else os.fspath(self.backbone)

    @property
    def is_application(self):
        """Whether it is one of `keras.applications`."""
        return self.vectors is None and not self.given and self.name in APPLICATIONS

    @property
    def is_onnx(self):
        """Whether it is an ONNX file."""
        return not self.given and self.name.lower().endswith(".onnx")

    @functools.cached_property
    def source(self):
        """The model of an earlier run, or of a `.keras` file; None for another network."""
        if self.given or self.vectors is not None:
            return None
        path = pathlib.Path(self.backbone)
        if (path / "run.json").is_file():
            path = path / "model.keras"
        return _loaded(path) if path.suffix == ".keras" else None

    def transferred(self):
        """The `Backbone` that was passed, or that of an earlier model; None for a name."""
        if self.given or self.source is None:
            return self.given
        if hasattr(self.source, "backbone"):
            return self.source.backbone.copy()
        return Backbone.from_model(self.source)


@_progress.step("loading the network")
def _loaded(path):
    if not path.is_file():
        raise FileNotFoundError(f"No such model: '{path}'")
    try:
        check_archive(path)
        model = keras.saving.load_model(path)
    except Exception as error:
        raise ValueError(f"'{path}' is corrupt ({reason_of(error)})") from error
    check_finite(model, f"'{path}'")
    return model


@_progress.step("building the network")
def build_backbone(name, input_shape, weights, alpha=None):
    """The `Backbone` of a name; `alpha` is the width of a MobileNet, None its default."""
    arguments = {} if alpha is None else {"alpha": alpha}
    return Backbone(name, input_shape, weights, **arguments)


@_progress.step("building the network")
def build_preset(name, texts=(), sequence_length=None):
    """The `Backbone` of a preset, or of a directory; for texts, long enough for nearly all."""
    if texts and sequence_length is None:
        sequence_length = fitting_length(name, texts)
    return Backbone.from_preset(name, sequence_length)


@_progress.step("reading the word vectors")
def build_vectors(path, texts, sequence_length=None):
    """The `Backbone` of a file of word vectors, long enough for nearly all texts."""
    words, vectors = read_vectors(path, _MOST_WORDS)
    if sequence_length is None:
        lengths = sorted(len(text.split()) for text in texts)
        sequence_length = min(max(lengths[int(_COVERED * (len(lengths) - 1))], 1), _LONGEST)
    found = Backbone.from_vectors(words, vectors, sequence_length)
    _check_words(found, texts[:_MOST_CHECKED], path)
    return found


def _check_words(backbone, texts, path):
    """Raises or warns if few words of texts have a vector."""
    ids = np.asarray(backbone.get_layer("preprocessing")(tf.constant(texts)))
    known = np.sum(ids > 1) / max(np.sum(ids > 0), 1)  # 1 is that of unknown words
    if not known:
        raise ValueError(
            f"None of the words of the texts has a vector in '{path}': name vectors of their "
            f"language. Received: vectors={os.fspath(path)!r}"
        )
    if known < _FEW_KNOWN:
        warnings.warn(
            f"Only {known:.0%} of the words of the texts have a vector in '{path}': the "
            "network ignores the others.",
            stacklevel=2,
        )


@contextlib.contextmanager
def dtype_policy(precision, strategy):
    """Keras' global dtype policy for a precision, while a network is built."""
    if precision not in ("auto", "float32", "mixed"):
        raise ValueError(
            "`precision` must be 'auto', 'float32' or 'mixed'. "
            f"Received: precision={precision!r}"
        )
    policy, before = mixed_precision_policy(strategy), keras.config.dtype_policy()
    if precision == "mixed" and policy == "float32":
        policy = "mixed_bfloat16"  # slower than float32 on a CPU, but possible
    keras.config.set_dtype_policy("float32" if precision == "float32" else policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
