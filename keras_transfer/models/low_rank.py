"""Low-rank updates of kernels (LoRA), by Keras' own `enable_lora`."""

import math
import re
from collections.abc import Sequence

import keras

from keras_transfer.backbones import graph
from keras_transfer.backbones.frozen_mode import every_layer
from keras_transfer.freezing import FreezePatterns
from keras_transfer.models.checks import check_model
from keras_transfer.models.transfer_model import TransferModel

# The variables that LoRA may update.
_BASES = ("kernel", "embeddings")


def add_lora(
    model: TransferModel,
    rank: int,
    patterns: Sequence[str] | None = None,
    alpha: float | None = None,
) -> FreezePatterns:
    """Gives kernels of the backbone a low-rank update, which trains in place of the kernel.

    For few weights to train, store or send. A kernel with an update stays frozen under every
    policy. A saved model has the updates in its kernels; `save_delta` stores them alone, and
    `merge_lora` puts them into the kernels.

    Args:
        model: a `TransferModel`.
        rank: of the update, a positive integer, usually 4 to 16.
        patterns: regular expressions for full names of layers. Defaults to None: of the layers
            that the freeze policy trains, those whose update is smaller than their kernel.
        alpha: the update is multiplied by `alpha / rank`. Defaults to None, `rank`.

    Returns:
        The freeze policy that trains these layers alone, now in effect, for the phases of a
        plan. BatchNormalization follows the policy that was in effect before.

    Raises:
        ValueError: if the rank is not positive, a pattern matches no layer that can have an
            update, or no layer can get one.

    Example:
        >>> model.freeze_policy = freezing.UnfreezeLast(1)
        >>> models.add_lora(model, rank=2)
        FreezePatterns(patterns=[['down2|conv_2', 'trainable'], ['.*', 'frozen']], ...)
        >>> [variable.path for variable in model.trainable_variables][:2]
        ['down2/bias', 'down2/lora_kernel_a']

    Reference:
        Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022, equation 3.
    """
    check_model(model)
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise ValueError(f"`rank` must be a positive integer. Received: rank={rank!r}")
    before, layers = model.freeze_policy, _layers_for(model, rank, patterns)
    for layer in layers:
        layer.enable_lora(rank, lora_alpha=alpha)
    chosen = set(map(id, layers))
    names = [
        layer.name
        for layer in model.backbone.layers
        if chosen & set(map(id, every_layer([layer])))
    ]
    if before.batch_norm != "frozen":
        names += [
            name
            for name in before.trainable_layers(model)
            if isinstance(model.get_layer(name), keras.layers.BatchNormalization)
        ]
    trained = "|".join(map(re.escape, names))
    policy = FreezePatterns([(trained, "trainable"), ".*"], batch_norm=before.batch_norm)
    model.freeze_policy = policy
    return policy


def merge_lora(model: TransferModel) -> TransferModel:
    """A copy whose kernels contain the low-rank updates: as fast as before, and trainable.

    Args:
        model: a `TransferModel`, which does not change.

    Returns:
        An uncompiled `TransferModel` with the layers, heads and policy of `model`.

    Example:
        >>> model.freeze_policy = freezing.UnfreezeLast(1)
        >>> policy = models.add_lora(model, rank=2)
        >>> merged = models.merge_lora(model)
        >>> np.allclose(merged.predict(images, verbose=0), model.predict(images, verbose=0))
        True
    """
    check_model(model)
    config = {**_without_lora(model.get_config()), "trainable": None}
    parts = [*model.layers, *_heads(model), model.freeze_policy]
    copy = TransferModel.from_config(
        config, {type(part).__name__: type(part) for part in parts}
    )
    for original, layer in zip(model.layers, copy.layers, strict=True):
        pairs = zip(every_layer([original]), every_layer([layer]), strict=True)
        if not any(map(lora_base, every_layer([original]))):
            graph.copy_state(original, layer)
            continue
        for part, twin in pairs:
            # The property of this name adds the update.
            own = [v for v in own_variables(part) if not v.name.startswith("lora_")]
            base = lora_base(part)
            for variable, target in zip(own, own_variables(twin), strict=True):
                value = getattr(part, base) if variable.name == base else variable
                target.assign(value)
    copy.freeze_policy = model.freeze_policy
    return copy


def lora_base(layer):
    """The name of the variable that has an update, or None."""
    names = {variable.name for variable in own_variables(layer)}
    return next((name for name in _BASES if f"lora_{name}_a" in names), None)


def _layers_for(model, rank, patterns):
    if patterns is None:
        trained = set(model.freeze_policy.trainable_layers(model))
        outer = [layer for layer in model.backbone.layers if layer.name in trained]
        found = [one for one in _able(outer) if not lora_base(one) and _is_smaller(one, rank)]
    else:
        patterns, able = list(patterns), _able(model.backbone.layers)
        lost = [p for p in patterns if not any(re.fullmatch(p, one.name) for one in able)]
        if lost:
            raise ValueError(
                "Each pattern must match the full name of a layer that can have a low-rank "
                f"update, such as {[one.name for one in able][-3:]}. Received: {lost[0]!r}"
            )
        found = [one for one in able if any(re.fullmatch(p, one.name) for p in patterns)]
    twice = [one.name for one in found if lora_base(one)]
    if twice or not found:
        raise ValueError(
            "No layer can get the update: of those that train, each is there already or would "
            "be larger than the kernel. Assign `model.freeze_policy = UnfreezeLast(1)`, lower "
            "`rank`, or put earlier updates into the kernels by `merge_lora`. "
            f"Received: rank={rank}, {model.freeze_policy!r:.80}, with an update: {twice[:3]}"
        )
    return found


def _able(layers):
    return [layer for layer in every_layer(layers) if hasattr(layer, "enable_lora")]


def _is_smaller(layer, rank):
    base = next(v for v in own_variables(layer) if v.name in _BASES)
    size = math.prod(base.shape)
    return rank * (size / base.shape[-1] + base.shape[-1]) < size


def own_variables(layer):
    """The variables of a layer itself, not of those inside of it."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def _heads(model):
    return model.heads.values() if isinstance(model.heads, dict) else [model.heads]


def _without_lora(config):
    if isinstance(config, dict):
        kept = (pair for pair in config.items() if pair[0] not in ("lora_rank", "lora_alpha"))
        return {key: _without_lora(value) for key, value in kept}
    if isinstance(config, (list, tuple)):
        return type(config)(map(_without_lora, config))
    return config
