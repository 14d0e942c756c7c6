"""A backbone with heads and a freeze policy."""

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_transfer._python_functions import with_own_gradients
from keras_transfer.backbones import Backbone, Source, graph
from keras_transfer.backbones.frozen_mode import (
    FrozenModeOfClones,
    follow_trainable,
    one_line_for_unknown_classes,
    set_trainable_flags,
    trainable_flags,
)
from keras_transfer.freezing import FreezeAll, FreezePolicy
from keras_transfer.heads import Head
from keras_transfer.models.attached_heads import attached
from keras_transfer.models.checked_training import CheckedTraining
from keras_transfer.models.checks import (
    as_backbone,
    check_heads,
    check_multipliers,
    check_number_of_classes,
    check_policy,
    warn_of_classifier,
)
from keras_transfer.models.divided_model import DividedModel
from keras_transfer.models.objective import check_objectives
from keras_transfer.models.objective_steps import sum_no_gradients
from keras_transfer.models.other_classes import with_classes
from keras_transfer.models.plain_model import plain_model
from keras_transfer.models.regression import scaled_layers
from keras_transfer.models.stage_summary import stage_summary


@dataclasses.dataclass
class _Parts:
    """The parts of a `TransferModel`, in an object that Keras does not track: their layers
    already belong to the graph of the model."""

    backbone: Backbone
    heads: object
    freeze_policy: FreezePolicy
    # The positions of the variables for which the file has slots of the optimizer.
    saved_slots: list | None = None
    tails: dict = dataclasses.field(default_factory=dict)
    inference: dict = dataclasses.field(default_factory=dict)
    # The arguments of `compile`, as passed.
    compiled_with: dict = dataclasses.field(default_factory=dict)
    compiled_objectives: tuple = ()
    own_optimizer: keras.optimizers.Optimizer | None = None
    class_names: tuple | None = None
    reduced_decoding: bool | None = None
    value_range: float | None = None
    head_start: tuple | None = None


@keras.saving.register_keras_serializable(package="keras_transfer")
class TransferModel(DividedModel, CheckedTraining, FrozenModeOfClones):
    """A functional model of a backbone, one or several heads, and a freeze policy.

    The graph is flat: `get_layer` reaches every layer of the backbone and of the heads, and
    `keras.Model(model.input, model.get_layer(name).output)` works. Frozen layers run in
    inference mode for every value of `training`.

    After `compile`, a change of the trainable variables, by `model.freeze_policy = ...`, by
    `trainable` of any layer or variable, or by `enable_lora`, takes effect in the next step of
    `fit`, also from a callback. The optimizer keeps its state for the variables that it trained
    before. (Keras continues to train the old ones.)

    Args:
        backbone: a `Backbone`, the name of a network in `keras.applications` (with its ImageNet
            weights), or any functional `keras.Model`, without preprocessing: see
            `Backbone.from_model`. A `keras.Model` is copied, a `Backbone` is not: models made
            from one `Backbone` share its weights and which of its layers are frozen, unless
            each gets a `backbone.copy()`. `fit` warns if the policy of another model changed
            them.
        heads: a head, or a dict from name to head for several tasks; the outputs, labels and
            losses are then dicts with these names.
        freeze_policy: a `FreezePolicy`. Defaults to None, `FreezeAll()`.
        name: name of the model. Defaults to the name of the backbone with `_transfer`.
        truncate_at: name of a boundary of the backbone after which its layers are dropped, for
            example from `transferability.probe_layers`. Defaults to None, none.

    Input shape: `(batch, height, width, channels)`, uint8 or float in [0, 255]. The model also
        takes precomputed features, in a dict under the name of their boundary:
        `model({"block_12_add": features})`.
    Output shape: the shape of the head, or a dict of the shapes of the heads.

    Raises:
        ValueError: if the backbone, a head or the policy is of another kind, or `truncate_at`
            is not a boundary.

    Example:
        >>> backbone = backbones.Backbone("MobileNetV2", (96, 96, 3), weights=None, alpha=0.35)
        >>> model = models.TransferModel(backbone, heads=heads.SoftmaxHead(10))
        >>> model.compile()
        >>> model.output_shape
        (None, 10)
    """

    # Unknown for a loaded model, and not needed.
    truncate_at = None
    _has_own_optimizer = False

    def __init__(
        self,
        backbone: Backbone | keras.Model | str,
        heads: Head | dict[str, Head],
        freeze_policy: FreezePolicy | None = None,
        name: str | None = None,
        truncate_at: str | None = None,
    ):
        backbone = as_backbone(backbone)
        if truncate_at is not None:
            backbone = backbone.truncated(truncate_at)
        warn_of_classifier(backbone)
        freeze_policy = FreezeAll() if freeze_policy is None else freeze_policy
        check_heads(heads)
        check_policy(freeze_policy)
        inputs, outputs = attached(heads, backbone)
        super().__init__(
            inputs=inputs, outputs=outputs, name=name or f"{backbone.name}_transfer"
        )
        self.truncate_at = truncate_at
        self._set_parts(backbone, heads, freeze_policy)
        self._apply_policy(freeze_policy)

    def _set_parts(self, backbone, heads, freeze_policy):
        for layer in self.layers:
            follow_trainable(layer)
        self._follow()
        self._parts = _Parts(backbone, heads, freeze_policy)

    # Parts.

    @property
    def backbone(self):
        """The `Backbone`, which shares its layers with this model."""
        return self._parts.backbone

    @property
    def heads(self):
        """The head, or the dict of heads."""
        return self._parts.heads

    @property
    def freeze_policy(self):
        """The policy applied last; assigning one applies it, also during training."""
        return self._parts.freeze_policy

    @freeze_policy.setter
    def freeze_policy(self, policy):
        check_policy(policy)
        if not self.trainable:
            self.trainable = True
        self._apply_policy(policy)
        self._parts.freeze_policy = policy
        if self.compiled:
            self.follow_trainable_set()

    def __setattr__(self, name, value):
        if name in ("freeze_policy", "head_start"):  # TensorFlow would track or ignore them
            getattr(type(self), name).fset(self, value)
        else:
            super().__setattr__(name, value)

    def copy(self, dtype=None):
        """An uncompiled copy with layers and weights of its own.

        Args:
            dtype: "float32" for a copy that computes in float32 where this model uses mixed
                precision. Defaults to None, in the precision of this model.
        """
        heads = self.heads.values() if isinstance(self.heads, dict) else [self.heads]
        parts = [*self.layers, *heads, self.freeze_policy]
        # A copy also works with the user's unregistered classes.
        classes = {type(part).__name__: type(part) for part in parts}
        config = self.get_config() if dtype is None else _with_policy(self.get_config(), dtype)
        copy = type(self).from_config(config, classes)
        for original, layer in zip(self.layers, copy.layers, strict=True):
            graph.copy_state(original, layer)
        return copy

    def to_plain(self) -> keras.Model:
        """A copy of layers of Keras only, which loads without this library.

        It takes the same images and computes the same. It has no heads, no freeze policy and no
        class names: it is for someone who uses the model, not for training it.

        Raises:
            ValueError: if a layer is neither of Keras nor of this library.

        Example:
            >>> model.to_plain().save("model_plain.keras")
            >>> keras.saving.load_model("model_plain.keras").output_shape
            (None, 3)
        """
        return plain_model(self)

    def with_classes(self, class_names: Sequence[str]) -> "TransferModel":
        """A copy with other classes, which keeps what it knows of those that it has.

        The output of a class that both have is copied, by its name; that of a new class is
        random, and learns in the next training. Train with images of all classes: otherwise the
        model forgets those without images.

        Args:
            class_names: the names of all classes, in the order of the new labels.

        Returns:
            An uncompiled `TransferModel` with `SoftmaxHead(len(class_names))`.

        Raises:
            ValueError: if the model has another head or no class names, or a name comes twice.

        Example:
            >>> model.class_names = ["ants", "bees", "wasps"]
            >>> model.with_classes(["ants", "bees", "wasps", "flies"]).output_shape
            (None, 4)
        """
        return with_classes(self, tuple(map(str, class_names)))

    def stage_summary(self, print_fn=print):
        """Prints the shape, parameters and learning-rate multiplier of each stage and head."""
        print_fn(stage_summary(self))

    # Training.

    def compile(
        self, optimizer="adamw", loss=None, loss_weights=None, metrics=None, objectives=(),
        **keras_arguments,
    ):  # fmt: skip
        """Configures training; the defaults fit the heads.

        Args:
            optimizer: as in Keras. Defaults to `"adamw"` with a learning rate of 1e-3. A built
                optimizer keeps its state if other variables have become trainable.
            loss: as in Keras. Defaults to None, the losses of the heads.
            loss_weights: as in Keras. Defaults to None, the weights of the heads if there are
                several.
            metrics: as in Keras. Defaults to None, the metrics of the heads if `loss` is None.
            objectives: a list of `Objective`, whose terms are added to the loss of the heads.
                Those that need other images take them from `models.joined`. The model then
                needs one head that ends in a `keras.layers.Dense`. In the history, `loss` is
                the sum, and each term has its name. Defaults to none.
            **keras_arguments: further arguments of `keras.Model.compile`.
        """
        own_optimizer = None if optimizer == "adamw" else keras.optimizers.get(optimizer)
        self._parts.own_optimizer = _unwrapped(own_optimizer)
        self._parts.compiled_with = {
            "loss": loss, "loss_weights": loss_weights, "metrics": metrics, **keras_arguments
        }  # fmt: skip
        self._parts.compiled_objectives = check_objectives(objectives)
        self.recompile(own_optimizer or "adamw")

    def recompile(self, optimizer, jit_compile="auto", objectives=()):
        """Compiles with another optimizer and the previous loss and metrics.

        Args:
            optimizer: as in Keras.
            jit_compile: as in Keras, unless `compile` got this argument.
            objectives: those of a phase, beside those that `compile` got.
        """
        self.set_objectives([*self._parts.compiled_objectives, *objectives])
        arguments = {"jit_compile": jit_compile, **self._parts.compiled_with}
        loss, loss_weights, metrics = (
            arguments.pop(name, None) for name in ("loss", "loss_weights", "metrics")
        )
        if loss is None:
            loss = _of_heads(self.heads, lambda head: head.loss())
            if metrics is None:
                metrics = _of_heads(self.heads, lambda head: head.metrics())
            if loss_weights is None and isinstance(self.heads, dict):
                loss_weights = {name: head.loss_weight for name, head in self.heads.items()}
        optimizer = keras.optimizers.get(optimizer)
        check_multipliers(optimizer, self.variables)
        super().compile(
            optimizer=optimizer,
            loss=loss,
            loss_weights=loss_weights,
            metrics=metrics,
            **arguments,
        )
        if self.distribute_strategy.num_replicas_in_sync == 1:
            sum_no_gradients(self.optimizer)

    @property
    def compiled_losses(self):
        """The loss passed to `compile`, or None for those of the heads."""
        return self._parts.compiled_with.get("loss")

    @property
    def own_optimizer(self):
        """The optimizer passed to `compile`; None for the default one."""
        return self._parts.own_optimizer

    # Facts about the data.

    @property
    def class_names(self):
        """The names of the classes: a tuple, or None if unknown.

        `fit` and `fine_tune` read them from a `LabeledDataset`. Assign them for other data.
        """
        return self._parts.class_names

    @class_names.setter
    def class_names(self, names):
        self._parts.class_names = None if names is None else tuple(map(str, names))

    @property
    def reduced_decoding(self):
        """Whether training decoded large JPEGs at a reduced size; None if unknown."""
        return self._parts.reduced_decoding

    @property
    def value_range(self):
        """The value that is white in images of more than 8 bits; None for 65535."""
        return self._parts.value_range

    @property
    def head_start(self):
        """What the exact solution of the head is pulled to, instead of zero; None for zero.

        `relations.start_head` sets it: the kernel and the bias of the output, two arrays.
        """
        return self._parts.head_start

    @head_start.setter
    def head_start(self, start):
        self._parts.head_start = start

    def remember(self, dataset):
        """Stores the class names and the decoding of a `LabeledDataset`.

        It has no effect for other datasets. Names are stored only for a head that takes as
        many, not for a regression.

        Raises:
            ValueError: if the head is a `SoftmaxHead` with fewer classes than the images. For
                more classes there is a warning.
        """
        names = getattr(dataset, "class_names", None)
        if names is None:
            return
        check_number_of_classes(self.heads, dataset)
        self._parts.reduced_decoding = getattr(dataset, "reduced_decoding", None)
        self._parts.value_range = getattr(dataset, "value_range", None)
        is_regression = bool(scaled_layers(self))
        if getattr(self.heads, "num_names", None) == len(names) and not is_regression:
            self.class_names = names

    def predict_step(self, data):
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        several = self.distribute_strategy.num_replicas_in_sync > 1
        tensors = tf.nest.flatten(images)
        # After batches of several ranks Keras does not know the rank of the next one.
        is_known = all(tf.is_tensor(one) and one.shape.rank is not None for one in tensors)
        if several or self.run_eagerly or not is_known:
            return super().predict_step(data)
        # Keras traces the network for each size of a batch, the last one included.
        spec = tf.nest.map_structure(
            lambda tensor: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype), images
        )
        key = repr(spec), self._flags.size()
        if key not in self._parts.inference:
            self._parts.inference[key] = tf.function(
                with_own_gradients(lambda images: self(images, training=False)),
                [spec],
                autograph=False,
            )
        return self._parts.inference[key](images)

    def forget_predict_function(self):
        """Makes the next `predict` trace the network anew, since a layer changed."""
        self.predict_function = None
        self._parts.inference.clear()

    # Config.

    def get_config(self):
        # A plain functional model of the same tensors, which has a config.
        plain = keras.Model(self.input, self._outputs_struct, name=self.name)
        return {
            "name": self.name,
            "graph": plain.get_config(),
            "backbone": {
                "name": self.backbone.name,
                "application": self.backbone.application,
                "output": self.backbone.outputs[0]._keras_history.operation.name,
                "inputs": list(self.backbone.input_names),
                "source": self.backbone.source.to_json(),
            },
            "heads": keras.saving.serialize_keras_object(self.heads),
            "freeze_policy": keras.saving.serialize_keras_object(self.freeze_policy),
            "trainable": trainable_flags(self.layers),
            "class_names": self.class_names and list(self.class_names),
            "reduced_decoding": self.reduced_decoding,
            "value_range": self.value_range,
            "has_own_optimizer": self.own_optimizer is not None,
            # The file contains slots for these; before any step, loading must not create any.
            "optimizer_variables": self._optimizer_variables(),
        }

    def _optimizer_variables(self):
        """The positions of the variables that the optimizer was built for, or None."""
        if not (self.compiled and self.optimizer.built):
            return None
        positions = {id(variable): i for i, variable in enumerate(self.variables)}
        built_for = _unwrapped(self.optimizer)._trainable_variables
        return [positions[id(variable)] for variable in built_for if id(variable) in positions]

    @classmethod
    def from_config(cls, config, custom_objects=None):
        with one_line_for_unknown_classes(config["name"]):
            plain = keras.Model.from_config(
                dict(config["graph"]), custom_objects=custom_objects
            )
            heads, policy = (
                keras.saving.deserialize_keras_object(
                    config[key], custom_objects=custom_objects
                )
                for key in ("heads", "freeze_policy")
            )
        model = cls.__new__(cls)
        super(TransferModel, model).__init__(
            inputs=plain.input, outputs=plain._outputs_struct, name=config["name"]
        )
        described = config["backbone"]
        inputs = {tensor.name: tensor for tensor in plain.inputs}
        names = described.get("inputs", list(inputs))
        backbone = Backbone.from_tensors(
            {name: inputs[name] for name in names} if names[1:] else inputs[names[0]],
            graph.output_of(plain, described["output"]),
            described["application"],
            described["name"],
            Source.from_json(described.get("source")),
        )
        model._set_parts(backbone, heads, policy)
        if isinstance(config["trainable"], dict):
            set_trainable_flags(model.layers, config["trainable"])
        model._parts.saved_slots = config.get("optimizer_variables")
        model.class_names = config["class_names"]
        model._parts.reduced_decoding = config["reduced_decoding"]
        model._parts.value_range = config.get("value_range")
        model._has_own_optimizer = config["has_own_optimizer"]
        return model

    def get_compile_config(self):
        config = super().get_compile_config()
        if config:
            # It may have changed with the trainable variables since `compile`.
            config["optimizer"] = keras.saving.serialize_keras_object(
                _unwrapped(self.optimizer)
            )
        return config

    def compile_from_config(self, config):
        # Whether XLA pays depends on the machine, which may be another one.
        config = {name: value for name, value in config.items() if name != "jit_compile"}
        self.compile(**keras.saving.deserialize_keras_object(config))
        if not self._has_own_optimizer:
            self._parts.own_optimizer = None
        if self._parts.saved_slots is not None:
            variables = self.variables
            self.optimizer.build([variables[i] for i in self._parts.saved_slots])


def _with_policy(config, policy):
    """A config with another dtype policy in the place of mixed precision."""
    if isinstance(config, dict):
        return {key: _with_policy(value, policy) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_with_policy(value, policy) for value in config)
    return policy if config in ("mixed_float16", "mixed_bfloat16") else config


def _unwrapped(optimizer):
    """The optimizer inside a `LossScaleOptimizer`, which `compile` adds."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer.inner_optimizer
    return optimizer


def _of_heads(heads, part):
    if not isinstance(heads, dict):
        return part(heads)
    return {name: part(head) for name, head in heads.items()}
