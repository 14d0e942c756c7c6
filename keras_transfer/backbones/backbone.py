"""The pretrained network that is transferred."""

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._applications import APPLICATIONS, Source, find_application
from keras_transfer.backbones import graph
from keras_transfer.backbones.application_networks import (
    build_network,
    check_arguments,
    check_input_shape,
    source_of,
)
from keras_transfer.backbones.darknet_networks import read_darknet
from keras_transfer.backbones.frozen_mode import (
    FrozenModeOfClones,
    follow_trainable,
    one_line_for_unknown_classes,
    set_trainable_flags,
    trainable_flags,
)
from keras_transfer.backbones.layer_copies import copyable_network
from keras_transfer.backbones.mel_spectrogram import MelSpectrogram
from keras_transfer.backbones.onnx_networks import read_onnx
from keras_transfer.backbones.openvino_network import read_openvino
from keras_transfer.backbones.preprocessing import (
    Preprocessing,
    adapt_weights,
    colorless_config,
)
from keras_transfer.backbones.presets import read_preset, source_of_preset
from keras_transfer.backbones.stages import Stage, compute_stages
from keras_transfer.backbones.table_network import table_network
from keras_transfer.backbones.word_vectors import vectors_network

# What KerasHub calls the features of each token, beside the pooled ones.
_SEQUENCE = "sequence_output"


@keras.saving.register_keras_serializable(package="keras_transfer")
class Backbone(FrozenModeOfClones):
    """A pretrained network without its classifier, for raw images.

    It is a functional `keras.Model` with a flat graph: `get_layer` reaches every layer, and the
    preprocessing is the layer `preprocessing`. Its output is bit-identical to that of the
    application after `preprocess_input`. Frozen layers run in inference mode for every value of
    `training`, dropout and stochastic depth included.

    Args:
        application: the name of a network in `keras.applications`; `list_backbones()` returns
            all names.
        input_shape: `(height, width, channels)`. Height and width may be None, and may differ
            from the size in pretraining. For channels other than 3, the kernel of the first
            convolution is summed over the colors (1 channel) or repeated and rescaled. Defaults
            to None: the size of the ImageNet weights and 3 channels.
        weights: `"imagenet"` (the default; from Keras' cache, or downloaded), the path of an
            `.h5`, `.weights.h5` or `.keras` file, or None for random weights.
        **application_arguments: further arguments of the application, such as `alpha`.

    Input shape: `(batch, height, width, channels)`, uint8 or float in [0, 255]; for
        `from_model`, as the model has it, also several inputs.
    Output shape: `(batch, rows, columns, features)`; of a network on tokens `(batch, positions,
        features)`, where `mask` says which positions are no padding.

    Raises:
        ValueError: if a name or an argument is unknown, the image size is too small, or the
            weights file does not fit.
        FileNotFoundError: if the weights are not available.

    Example:
        >>> backbone = backbones.Backbone("MobileNetV2", (96, 96, 3), weights=None, alpha=0.35)
        >>> backbone.output_shape
        (None, 3, 3, 1280)
        >>> [stage.boundary for stage in backbone.stages][-2:]
        ['block_12_add', 'out_relu']
    """

    def __init__(
        self,
        application: str,
        input_shape: tuple[int | None, int | None, int] | None = None,
        weights: str | os.PathLike | None = "imagenet",
        **application_arguments,
    ):
        row = find_application(application)
        check_arguments(row, application_arguments)
        shape = check_input_shape(row, input_shape)
        network = build_network(row, shape[:2], weights, application_arguments)
        self._assemble_on_images(network, shape, row.preprocessing, application=application)
        self.source = source_of(row, weights)

    @classmethod
    def from_model(
        cls,
        model: keras.Model,
        preprocessing: str | Preprocessing | MelSpectrogram = "none",
        application: str | None = None,
        source: Source | None = None,
    ) -> "Backbone":
        """Makes a backbone from any functional or sequential model.

        The backbone is a copy with the same weights; `model` does not change. The copy has a
        flat graph without nested models, and new numbers in the names that Keras chose. It has
        the inputs of `model`, with their names, shapes and dtypes; the input of a network of
        images is called `images`.

        Args:
            model: a `keras.Model` without a classifier, such as a KerasHub backbone or a
                network of your own. Of several outputs, `sequence_output` is the one that is
                kept.
            preprocessing: the preprocessing that a network of images needs: `"none"` (the
                default), `"tf"`, `"caffe"` or `"torch"`, as in
                `imagenet_utils.preprocess_input`; or a `Preprocessing` with other numbers. With
                a `MelSpectrogram` the input is `audio`, sounds as long as the network takes.
            application: name in summaries and reports. Defaults to the name of `model`.
            source: where its weights come from. Defaults to None, not recorded. Its scale, its
                mean, its std and its channel order are those of `preprocessing`, if that is
                not `"none"`.

        Returns:
            A `Backbone`.

        Raises:
            ValueError: if `model` is subclassed, has several outputs, or is a `TransferModel`,
                or if other inputs than images have a `preprocessing`.

        Example:
            >>> tokens = keras.Input((12,), dtype="int32", name="tokens")
            >>> vectors = keras.layers.Embedding(100, 8, mask_zero=True)(tokens)
            >>> backbone = backbones.Backbone.from_model(keras.Model(tokens, vectors))
            >>> backbone.input_names, backbone.output_shape
            (('tokens',), (None, 12, 8))
        """
        if isinstance(model, cls):
            copy = model.copy()
            copy.source = source or copy.source
            return copy
        if hasattr(model, "backbone") and hasattr(model, "heads"):
            raise ValueError(
                "A backbone is a network without its head: pass `model.backbone.copy()`. "
                f"Received: '{model.name}' (of type {type(model).__name__})"
            )
        network = _with_one_output(graph.as_functional(copyable_network(model)))
        backbone = cls.__new__(cls)
        application = application or model.name
        if isinstance(preprocessing, MelSpectrogram):
            num_samples = preprocessing.num_samples_for(network.inputs)
            sounds = keras.Input((num_samples,), name="audio")
            output, _ = graph.flat_copy(network, _preprocessing_layer(preprocessing)(sounds))
            backbone._from_tensors(sounds, output, application, network.name, source)
            return backbone
        if _is_of_images(network):
            shape = tuple(network.inputs[0].shape[1:])
            backbone._assemble_on_images(network, shape, preprocessing, application)
            backbone.source = dataclasses.replace(source or Source(), **backbone._constants())
            return backbone
        if preprocessing != "none":
            raise ValueError(
                "`preprocessing` is that of a network with one input of images, `(height, "
                f"width, channels)`. Received: preprocessing={preprocessing!r} for a network "
                f"with the inputs {graph.described_inputs(network)}"
            )
        inputs = [graph.same_input(tensor) for tensor in network.inputs]
        output, _ = graph.flat_copy(network, inputs)
        named = {tensor.name: tensor for tensor in inputs} if inputs[1:] else inputs[0]
        backbone._from_tensors(named, output, application, network.name)
        backbone.source = source or Source()
        return backbone

    @classmethod
    def from_preset(
        cls, preset: str | os.PathLike, sequence_length: int | None = None
    ) -> "Backbone":
        """Makes a backbone from a network of KerasHub or of Hugging Face.

        A network of texts has its tokenizer as the layer `preprocessing`, and takes strings.
        Its first stage is the embeddings, each transformer layer is one more. A network of
        images (ViT, DINOv2, SigLIP, ResNet) has the preprocessing of the preset. Needs the
        extra `hub`.

        Args:
            preset: the name of a preset of KerasHub, such as `"bert_tiny_en_uncased"`, which
                is downloaded; or a directory with a `config.json` and a `model.safetensors` of
                Hugging Face.
            sequence_length: of a text, in tokens: longer texts are cut, shorter ones padded.
                Defaults to None, 128.

        Returns:
            A `Backbone`.

        Raises:
            ImportError: if KerasHub is not installed.
            ValueError: if there is no such preset, or the directory holds something else.
        """
        network = read_preset(preset, sequence_length)
        name = os.path.basename(os.fspath(preset))
        preprocessing, source = source_of_preset(preset)
        if preprocessing is None or not _is_of_images(network):
            return cls.from_model(network, application=name, source=source)
        return cls.from_model(network, preprocessing, name, source)

    @classmethod
    def from_onnx(
        cls,
        path: str | os.PathLike,
        preprocessing: str | Preprocessing | MelSpectrogram = "none",
        source: Source | None = None,
        output: str | None = None,
    ) -> "Backbone":
        """Makes a backbone from the ONNX file of a convolutional network.

        Its layers are those of Keras, with the channels last, and can train. The pooling and
        the classifier at the end are left out. Needs the extra `onnx`.

        Args:
            path: an `.onnx` file with one input of images.
            preprocessing: as for `from_model`.
            source: as for `from_model`. Defaults to None: the name of the file.
            output: the name of a tensor of the file that becomes the output. Defaults to None:
                the last features before a classifier.

        Returns:
            A `Backbone`.

        Raises:
            FileNotFoundError: if there is no such file.
            ImportError: if the package `onnx` is not installed.
            ValueError: if the file is corrupt, has other inputs or an operator that is not
                supported; the message names it.
        """
        network = read_onnx(path, output)
        source = source or Source(origin=os.path.basename(os.fspath(path)))
        return cls.from_model(network, preprocessing, source=source)

    @classmethod
    def from_openvino(
        cls,
        path: str | os.PathLike,
        preprocessing: str | Preprocessing | MelSpectrogram = "none",
        source: Source | None = None,
        output: str | None = None,
    ) -> "Backbone":
        """Makes a frozen backbone from any network that OpenVINO reads.

        For networks whose layers `from_onnx` does not know, and for a SavedModel of TensorFlow:
        it computes features on the CPU, and cannot train. A `.keras` file holds it;
        `serving.export` refuses it. Needs the extra `cpu`.

        Args:
            path: an `.onnx` file, the folder of a SavedModel, or an `.xml` file of OpenVINO,
                with one input of a fixed size. Channels of images before their rows move to
                the end.
            preprocessing: as for `from_model`.
            source: as for `from_model`. Defaults to None: the name of the file.
            output: the name of the output to use as features. Defaults to None, the only one.

        Returns:
            A `Backbone` of one layer, `network`.

        Raises:
            FileNotFoundError: if there is no such file.
            ImportError: if OpenVINO is not installed.
            ValueError: if OpenVINO cannot read it, it has several inputs, or sizes are open.
        """
        source = source or Source(origin=os.path.basename(os.fspath(path)))
        return cls.from_model(read_openvino(path, output), preprocessing, source=source)

    @classmethod
    def from_darknet(
        cls,
        cfg: str | os.PathLike,
        weights: str | os.PathLike,
        preprocessing: str | Preprocessing | None = None,
        source: Source | None = None,
    ) -> "Backbone":
        """Makes a backbone from a network of Darknet, such as YOLO.

        It ends where the first detection begins: before the convolution that predicts, or
        before the pooling of a classifier. All floats of the weights file must find their
        place.

        Args:
            cfg: the `.cfg` file.
            weights: the `.weights` file.
            preprocessing: as for `from_model`. Defaults to None: Darknet's, pixels in [0, 1].
            source: as for `from_model`. Defaults to None: the name of the weights file.

        Returns:
            A `Backbone`.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if a section is not supported, or the weights have more or fewer floats
                than the network; the message names the section.
        """
        network = read_darknet(cfg, weights)
        source = source or Source(origin=os.path.basename(os.fspath(weights)))
        own = preprocessing or Preprocessing(scale=1 / 255)
        return cls.from_model(network, own, source=source)

    @classmethod
    def from_vectors(
        cls, vocabulary: Sequence[str], vectors: np.ndarray, sequence_length: int = 64
    ) -> "Backbone":
        """Makes a backbone that gives the vectors of the words of a text.

        Words that the training texts lack keep their vectors, so a new text with them is
        understood. Unknown words have a vector of zeros.

        Args:
            vocabulary: different words, the most frequent ones first. If all are in lower
                case, texts are converted to it.
            vectors: an array of shape `(words, dimensions)`, for example from `read_vectors`.
            sequence_length: of a text, in words: longer texts are cut, shorter ones padded.
                Defaults to 64.

        Returns:
            A `Backbone` with one stage, the embedding. Its input is `text`, strings.

        Example:
            >>> words = backbones.Backbone.from_vectors(["good", "bad"], [[1.0], [-1.0]])
            >>> words.predict(tf.constant(["Good, not bad!"]), verbose=0)[0, :3, 0].tolist()
            [1.0, 0.0, -1.0]
        """
        network = vectors_network(vocabulary, vectors, sequence_length)
        return cls.from_model(network)

    @classmethod
    def from_table(
        cls,
        train: tf.data.Dataset | Mapping[str, np.ndarray],
        hidden_units: Sequence[int] = (128, 64),
    ) -> "Backbone":
        """Makes a backbone for the rows of a table, with random weights.

        Train it on a large table, with `FreezeNone()`, and use `model.backbone` as the backbone
        for a small one with the same columns. Numbers are standardized, missing ones become the
        mean; categories are one-hot, unknown ones one more. The statistics and categories of
        `train` are part of the backbone.

        Args:
            train: a dataset of dicts of columns, as `data.table` gives it; or such a dict of
                arrays, as `ImageSplits.columns` holds for each split.
            hidden_units: sizes of the dense layers; each is a stage. Defaults to `(128, 64)`;
                `()` for the preprocessing alone, which `heads.JoinedHead` takes.

        Returns:
            A `Backbone` whose inputs have the names of the columns.

        Example:
            >>> columns = {"age": np.array([[30.0], [np.nan]]), "job": np.array([["a"], ["b"]])}
            >>> rows = tf.data.Dataset.from_tensor_slices((columns, [0, 1])).batch(2)
            >>> backbone = backbones.Backbone.from_table(rows, hidden_units=(8, 4))
            >>> [stage.boundary for stage in backbone.stages]
            ['hidden_1', 'hidden_2']
        """
        return cls.from_model(table_network(train, hidden_units))

    def _assemble_on_images(self, network, input_shape, preprocessing, application):
        inputs = keras.Input(input_shape, name="images")
        images = _preprocessing_layer(preprocessing)(inputs)
        num_channels = input_shape[-1]
        is_adapted = num_channels != graph.as_functional(network).inputs[0].shape[-1]
        output, copies = graph.flat_copy(
            network, images, colorless_config if is_adapted else None
        )
        if is_adapted:
            adapt_weights(copies, num_channels)
        self._from_tensors(inputs, output, application, name=network.name)

    def _from_tensors(self, inputs, output, application, name, source=None):
        super().__init__(inputs=inputs, outputs=output, name=name)
        self.application = application
        if self.mask is not None:
            graph.name_mask(self)
        self.source = source or Source()
        for layer in self.layers:
            follow_trainable(layer)

    @classmethod
    def from_tensors(cls, inputs, output, application, name, source=None):
        """The backbone between two tensors of a flat graph, with the layers of that graph.

        A reloaded model finds its backbone this way.
        """
        backbone = cls.__new__(cls)
        backbone._from_tensors(inputs, output, application, name, source)
        return backbone

    def copy(self) -> "Backbone":
        """A copy with layers and weights of its own.

        Two models made from one `Backbone` share its layers and which of them are frozen.
        """
        copy = type(self).from_config(self.get_config())
        for original, layer in zip(self.layers, copy.layers, strict=True):
            graph.copy_state(original, layer)
        return copy

    def truncated(self, boundary: str) -> "Backbone":
        """The backbone up to a boundary, without the layers after it.

        Args:
            boundary: the name of one of `boundaries`.

        Returns:
            A `Backbone` that shares its layers with this one.

        Raises:
            ValueError: if it is not a boundary, or no layer before it has weights.
        """
        tensor = graph.boundary_tensor(self, boundary)
        kept = type(self).from_tensors(
            self.input, tensor, self.application, self.name, self.source
        )
        if not kept.weights:
            raise ValueError(
                f"No layer before '{boundary}' has weights, so there is nothing to transfer. "
                f"The stages end at {[stage.boundary for stage in self.stages]}. "
                f"Received: {boundary!r}"
            )
        return kept

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The parts of one resolution each; blocks if the resolution never changes."""
        return compute_stages(self)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs, in order."""
        return tuple(tensor.name for tensor in self.inputs)

    @property
    def can_train(self) -> bool:
        """Whether its weights can train; not those of a network that OpenVINO runs."""
        return not any(hasattr(layer, "cannot_train") for layer in self.layers)

    @property
    def takes_images(self) -> bool:
        """Whether the only input is a batch of images."""
        return _is_of_images(self)

    @property
    def mask(self) -> keras.KerasTensor | None:
        """Which positions of the output are no padding: a tensor of the graph, or None."""
        return graph.sequence_mask(self)

    @property
    def takes_raw_images(self) -> bool:
        """Whether images are expected in [0, 255]; unknown for a network of your own."""
        return self.application in APPLICATIONS or bool(self._constants())

    def _constants(self):
        """What the layer `preprocessing` computes, as keys of `Source`; empty if nothing."""
        found = [one.constants for one in self.layers if isinstance(one, Preprocessing)]
        return next((one for one in found if one != Preprocessing().constants), {})

    @functools.cached_property
    def boundaries(self) -> tuple[str, ...]:
        """The names of the tensors where the graph can be cut in two, in order."""
        return tuple(graph.boundaries(self))

    def get_config(self):
        return {
            "name": self.name,
            "application": self.application,
            "source": self.source.to_json(),
            "graph": keras.Model(self.input, self.outputs[0], name=self.name).get_config(),
            "trainable": trainable_flags(self.layers),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        with one_line_for_unknown_classes(config["name"]):
            plain = keras.Model.from_config(
                dict(config["graph"]), custom_objects=custom_objects
            )
        source = Source.from_json(config.get("source"))
        backbone = cls.from_tensors(
            plain.input, plain.outputs[0], config["application"], config["name"], source
        )
        if "trainable" in config:  # not in files of older versions
            set_trainable_flags(backbone.layers, config["trainable"])
        return backbone


def _preprocessing_layer(preprocessing):
    if isinstance(preprocessing, str):
        return Preprocessing(preprocessing, name="preprocessing")
    config = {**preprocessing.get_config(), "name": "preprocessing"}
    return type(preprocessing).from_config(config)


def _with_one_output(model):
    """A functional model that gives the features alone."""
    if len(model.outputs) == 1:
        return model
    outputs = model._outputs_struct
    if not isinstance(outputs, dict) or _SEQUENCE not in outputs:
        raise ValueError(
            "A backbone has one output tensor. Make one with `keras.Model(model.inputs, "
            f"model.outputs[0])`. Received: '{model.name}' with {len(model.outputs)} outputs"
        )
    return keras.Model(model.input, outputs[_SEQUENCE], name=model.name)


def _is_of_images(model):
    """Whether the only input is a batch of images, float or uint8."""
    (first, *others) = model.inputs
    is_numeric = first.dtype == "uint8" or "float" in first.dtype
    return not others and len(first.shape) == 4 and is_numeric
