"""The freeze policies."""

import difflib
import re
from collections.abc import Sequence

import keras

from keras_transfer.backbones import graph
from keras_transfer.backbones.stages import stages_of
from keras_transfer.freezing.policy import FreezePolicy

_register = keras.saving.register_keras_serializable(package="keras_transfer")


@_register
class FreezeAll(FreezePolicy):
    """Freezes the whole backbone: only the heads train.

    Args:
        batch_norm: has no effect, since everything is frozen.

    Example:
        >>> model = models.TransferModel(backbone, heads.SoftmaxHead(3), freezing.FreezeAll())
        >>> [variable.path for variable in model.trainable_variables]
        ['head_output/kernel', 'head_output/bias']
    """

    def unfrozen_operations(self, backbone):
        return []


@_register
class FreezeNone(FreezePolicy):
    """Trains the whole backbone, except BatchNormalization by default.

    Args:
        batch_norm: see `FreezePolicy`.
    """

    def unfrozen_operations(self, backbone):
        return [operation.name for operation in graph.forward_operations(backbone)]


@_register
class FreezeUpTo(FreezePolicy):
    """Freezes all layers from the input up to and including one boundary or stage.

    Args:
        at: the name of a boundary (`backbone.boundaries`) or of a stage (`backbone.stages`).
        batch_norm: see `FreezePolicy`.

    Example:
        >>> policy = freezing.FreezeUpTo(backbone.stages[-2].name)
        >>> model = models.TransferModel(backbone, heads.SoftmaxHead(3), policy)
    """

    def __init__(self, at: str, batch_norm: str = "frozen"):
        super().__init__(batch_norm=batch_norm)
        if not isinstance(at, str):
            raise ValueError(
                "`at` must be the name of a boundary or of a stage, not the index of a "
                f"layer. Received: at={at!r}"
            )
        self.at = at

    def unfrozen_operations(self, backbone):
        by_stage = {stage.name: stage.boundary for stage in stages_of(backbone)}
        at = by_stage.get(self.at, self.at)
        graph.boundary_tensor(backbone, at)
        names = [operation.name for operation in graph.forward_operations(backbone)]
        return names[names.index(at) + 1 :]

    def get_config(self):
        return {"at": self.at, **super().get_config()}


@_register
class UnfreezeLast(FreezePolicy):
    """Trains the last stages of the backbone and freezes the others.

    Args:
        num_stages: number of stages to train, counted from the output; at least 1.
        batch_norm: see `FreezePolicy`.

    Example:
        >>> model = models.TransferModel(backbone, heads.SoftmaxHead(3))
        >>> model.freeze_policy = freezing.UnfreezeLast(1)
    """

    def __init__(self, num_stages: int, batch_norm: str = "frozen"):
        super().__init__(batch_norm=batch_norm)
        if not isinstance(num_stages, int) or isinstance(num_stages, bool) or num_stages < 1:
            raise ValueError(
                "`num_stages` must be a positive integer; `FreezeAll()` trains none. "
                f"Received: num_stages={num_stages!r}"
            )
        self.num_stages = num_stages

    def unfrozen_operations(self, backbone):
        stages = stages_of(backbone)
        if self.num_stages > len(stages):
            raise ValueError(
                f"'{backbone.name}' has {len(stages)} stages; `FreezeNone()` trains all of "
                f"them. Received: num_stages={self.num_stages}"
            )
        return [name for stage in stages[-self.num_stages :] for name in stage.layers]

    def get_config(self):
        return {"num_stages": self.num_stages, **super().get_config()}


@_register
class FreezePatterns(FreezePolicy):
    """Freezes or trains each layer by its name; the first matching pattern decides.

    Args:
        patterns: a list of regular expressions for full names of layers. An expression
            freezes the layers that it matches; a pair of an expression and `"frozen"` or
            `"trainable"` freezes or trains them. Layers without a match train.
        batch_norm: see `FreezePolicy`.

    Raises:
        ValueError: if a pattern is invalid or, in `apply`, matches no layer.

    Example:

    >>> FreezePatterns([("block_1[0-6]_.*", "trainable"), "(Conv1|bn_Conv1|block_).*"]).patterns
    [['block_1[0-6]_.*', 'trainable'], ['(Conv1|bn_Conv1|block_).*', 'frozen']]
    """

    def __init__(self, patterns: Sequence[str | Sequence[str]], batch_norm: str = "frozen"):
        super().__init__(batch_norm=batch_norm)
        if isinstance(patterns, str) or not isinstance(patterns, (list, tuple)) or not patterns:
            raise ValueError(
                "`patterns` must be a list of regular expressions, or of pairs such as "
                f"('block_1.*', 'trainable'). Received: patterns={patterns!r}"
            )
        self.patterns = [_pair(entry) for entry in patterns]

    def unfrozen_operations(self, backbone):
        names = [layer.name for layer in backbone.layers]
        unfrozen, used = [], set()
        for name in names:
            pattern, kind = next(
                (pair for pair in self.patterns if re.fullmatch(pair[0], name)),
                (None, "trainable"),
            )
            used.add(pattern)
            if kind == "trainable":
                unfrozen.append(name)
        self._check_all_used(used, names)
        return unfrozen

    def _check_all_used(self, used, names):
        for pattern, kind in self.patterns:
            if pattern in used:
                continue
            if any(re.fullmatch(pattern, name) for name in names):
                problem = "is never reached: the patterns before it match the same layers"
            else:
                close = difflib.get_close_matches(pattern, names, n=3, cutoff=0.3)
                problem = f"matches no layer; closest names: {', '.join(map(repr, close))}"
            raise ValueError(
                f"The pattern {pattern!r} {problem}. Patterns must match a full name. "
                f"Received: patterns with ({pattern!r}, {kind!r})"
            )

    def get_config(self):
        return {"patterns": self.patterns, **super().get_config()}


def _pair(entry):
    pattern, kind = (entry, "frozen") if isinstance(entry, str) else entry
    if kind not in ("frozen", "trainable"):
        raise ValueError(
            f"A pattern makes layers 'frozen' or 'trainable'. Received: ({pattern!r}, {kind!r})"
        )
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"Not a regular expression: {error}. Received: pattern={pattern!r}"
        ) from error
    return [pattern, kind]
