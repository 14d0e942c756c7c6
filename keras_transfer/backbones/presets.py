"""Networks of KerasHub, from its presets and from directories of Hugging Face."""

import dataclasses
import functools
import json
import os
import types
import typing

import keras
import numpy as np

from keras_transfer._applications import Source
from keras_transfer.backbones.preprocessing import Preprocessing

# What the networks of KerasHub call the ids of a text.
_TOKENS = "token_ids"
_LENGTH = 128
# Of the texts that are tokenized to find their length, the share that must fit.
_MOST_COUNTED, _COVERED = 2000, 0.99
# Tokens at the beginning and at the end of a text.
_SPECIAL, _LONGEST = 2, 256


@functools.cache
def _keras_hub():
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError(
            "Networks of KerasHub need more packages: pip install keras-hub safetensors. "
            f"Received: {error}"
        ) from error
    return keras_hub


@keras.saving.register_keras_serializable(package="keras_transfer")
class TextPreprocessing(keras.layers.Layer):
    """Converts texts to the tokens that a network of KerasHub expects.

    `Backbone.from_preset` adds it as the layer `preprocessing`.

    Args:
        preprocessor: a `keras_hub.models.TextClassifierPreprocessor`.
        features: the name, the shape and the dtype of each of its outputs. Defaults to None,
            found with an empty text.

    Input shape: `(batch,)`, strings.
    Output shape: a dict of `(batch, positions)`: `token_ids`, `padding_mask` and so on.
    """

    def __init__(self, preprocessor: typing.Any, features: dict | None = None, **kwargs):
        super().__init__(**kwargs)
        # Not a tracked layer: it makes layers of its own when it has a vocabulary.
        self._parts = types.SimpleNamespace(preprocessor=preprocessor)
        if features is None:
            features = {
                name: [list(tensor.shape[1:]), keras.backend.standardize_dtype(tensor.dtype)]
                for name, tensor in preprocessor(keras.ops.convert_to_tensor([""])).items()
            }
        self.features = features

    @property
    def preprocessor(self):
        """The `keras_hub.models.TextClassifierPreprocessor`."""
        return self._parts.preprocessor

    def save_assets(self, directory):
        """Writes the vocabulary; called by Keras."""
        self.preprocessor.tokenizer.save_assets(directory)

    def load_assets(self, directory):
        """Reads the vocabulary; called by Keras."""
        self.preprocessor.tokenizer.load_assets(directory)

    def call(self, texts):
        return self.preprocessor(texts)

    def compute_output_spec(self, texts):
        return {
            name: keras.KerasTensor((texts.shape[0], *shape), dtype)
            for name, (shape, dtype) in self.features.items()
        }

    def get_config(self):
        return {
            **super().get_config(),
            "preprocessor": keras.saving.serialize_keras_object(self.preprocessor),
            "features": self.features,
        }

    @classmethod
    def from_config(cls, config):
        _keras_hub()  # registers the class of the preprocessor
        preprocessor = keras.saving.deserialize_keras_object(config["preprocessor"])
        return cls(**{**config, "preprocessor": preprocessor})


def read_preset(preset: str | os.PathLike, sequence_length: int | None) -> keras.Model:
    """The network of a preset; for texts, with its tokenizer in front of it.

    The arguments are those of `Backbone.from_preset`.
    """
    models, preset = _keras_hub().models, os.fspath(preset)
    network = _part_of_preset(models.Backbone, preset)
    # Of a network of images and texts, such as SigLIP, only the part for images.
    network = getattr(network, "vision_encoder", network)
    if _TOKENS not in [one.name for one in network.inputs]:
        return network
    preprocessor = models.TextClassifierPreprocessor.from_preset(
        preset, sequence_length=sequence_length or _LENGTH
    )
    texts = keras.Input((), dtype="string", name="text")
    tokens = TextPreprocessing(preprocessor, name="preprocessing")(texts)
    tokens = {one.name: tokens[one.name] for one in network.inputs}
    return keras.Model(texts, network(tokens), name=network.name)


def _part_of_preset(kind, preset):
    try:
        return kind.from_preset(preset)
    except (ValueError, OSError) as error:
        reason, *_ = str(error).splitlines()
        raise ValueError(
            "This is neither a preset of KerasHub, nor a directory with a `config.json` and a "
            f"`model.safetensors`: {reason} Received: {preset!r}"
        ) from error


def fitting_length(preset, texts):
    """The number of tokens of the longest 1% of some texts, in steps of 8, from 8 to 256."""
    tokenizer = _part_of_preset(_keras_hub().models.Tokenizer, os.fspath(preset))
    lengths = [len(tokenizer(text)) for text in texts[:_MOST_COUNTED]]
    longest = np.quantile(lengths, _COVERED) + _SPECIAL
    return int(np.clip(8 * np.ceil(longest / 8), 8, _LONGEST))


def source_of_preset(preset: str | os.PathLike) -> tuple[Preprocessing | None, Source]:
    """What a preset says about the images of its network, and about its origin.

    The preprocessing is None if it says nothing.
    """
    preset = os.fspath(preset)
    source = Source(origin=os.path.basename(preset.rstrip("/")), **_given_by_timm(preset))
    try:
        converter = _keras_hub().layers.ImageConverter.from_preset(preset)
    except (ValueError, OSError):
        return None, source
    size, scale = converter.image_size, converter.scale
    source = dataclasses.replace(
        source,
        size=None if size is None else tuple(size),
        interpolation=source.interpolation or converter.interpolation,
    )
    if scale is None and converter.offset is None:
        return None, source
    # Its images * scale + offset is our (images - mean) / std.
    std = 1 / np.asarray(1.0 if scale is None else scale)
    mean = -np.asarray(converter.offset or 0.0) * std
    return Preprocessing(mean=mean.tolist(), std=std.tolist()), source


def _given_by_timm(preset):
    """What KerasHub does not read in the `config.json` of a directory of timm."""
    try:
        with open(os.path.join(preset, "config.json"), encoding="utf-8") as file:
            given = json.load(file).get("pretrained_cfg")
    except (OSError, ValueError, AttributeError):
        return {}
    given = given if isinstance(given, dict) else {}
    names = {"crop": "crop_pct", "interpolation": "interpolation", "licence": "license"}
    return {name: given[key] for name, key in names.items() if given.get(key) is not None}
