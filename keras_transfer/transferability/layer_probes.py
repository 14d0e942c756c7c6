"""Linear probes of every stage: where general features end and specialized ones begin."""

import dataclasses
import itertools
import math

import keras
import numpy as np
import tensorflow as tf

from keras_transfer import _progress
from keras_transfer._statistics.feature_measures import linear_cka
from keras_transfer._statistics.intervals import first_sufficient, gains_of_later
from keras_transfer.features import FeatureCache
from keras_transfer.features.pooled import (
    num_megabytes,
    pooled_network,
    stage_features,
    unaugmented,
)
from keras_transfer.models.checks import as_backbone
from keras_transfer.transferability.scores import logme

_HEADER = (
    "stage", "ends at", "accuracy", "95% CI", "gain after it", "LogME", "CKA to the next",
    "parameters",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class StageProbe:
    """The features at the end of one stage, averaged over the positions.

    Attributes:
        stage: the name of the stage.
        boundary: the name of the boundary at its end.
        accuracy: cross-validated accuracy of a linear probe.
        interval: `(low, high)`, the 95% confidence interval of that accuracy.
        correct: bool array of shape `(images,)`, whether the probe was correct.
        logme: see `logme`.
        cka_to_next: the linear CKA with the features of the next stage; None for the last.
        num_parameters: of all layers up to the boundary.
    """

    stage: str
    boundary: str
    accuracy: float
    interval: tuple
    correct: np.ndarray
    logme: float
    cka_to_next: float | None
    num_parameters: int


@dataclasses.dataclass(frozen=True)
class LayerProbes:
    """The probes of a backbone's stages, from the input on.

    Attributes:
        stages: tuple of `StageProbe`.
        num_images: the number of images that were probed.
        backbone: the name of the backbone.
        images_per_second: the rate of inference of the whole and of the truncated backbone on
            this machine; None if no stage can be dropped.
        megabytes: the size of the weights of the two, or None.
        groups: the group of each image, by which intervals count, None for one without; None
            without groups.
    """

    stages: tuple
    num_images: int
    backbone: str
    images_per_second: tuple | None = None
    megabytes: tuple | None = None
    groups: tuple | None = None

    @property
    def gains_after(self):
        """For each stage `(low, high)`, a 95% interval for the gain of later ones, or None.

        Each end is the largest one over all later stages, compared on the same images. The last
        stage has None.
        """
        return gains_of_later([probe.correct for probe in self.stages], self.groups)

    @property
    def freeze_point(self):
        """The earliest boundary after which features no longer improve.

        No later stage is significantly better, and the interval excludes a gain of more than 3
        points. With few images neither may hold before the last boundary. Layers before it can
        stay frozen; those after it can be dropped.
        """
        return self.stages[first_sufficient(self.gains_after)].boundary

    @property
    def dead_stages(self):
        """The names of the stages after the freeze point, which can be dropped."""
        boundaries = [probe.boundary for probe in self.stages]
        first = boundaries.index(self.freeze_point) + 1
        return tuple(probe.stage for probe in self.stages[first:])

    @property
    def unclear_boundary(self):
        """The first boundary at which more images might allow a cut, or None.

        None if stages are dead, or each one is significantly better than those before it.
        """
        pairs = zip(self.stages[:-1], self.gains_after, strict=False)
        unclear = (probe.boundary for probe, (low, _) in pairs if low <= 0)
        return None if self.dead_stages else next(unclear, None)

    @property
    def conclusion(self):
        """Where to cut, and what that gains."""
        number = f"n = {self.num_images}"
        if self.unclear_boundary is not None:
            return (
                f"It is not clear whether features improve after '{self.unclear_boundary}' "
                f"({number}): keep all stages of {self.backbone}."
            )
        if not self.dead_stages:
            return (
                f"Every stage of {self.backbone} improves the features ({number}): keep all "
                "stages."
            )
        place = [probe.boundary for probe in self.stages].index(self.freeze_point)
        kept, loss = self.stages[place], self.gains_after[place][1]
        share = int(100 * (1 - kept.num_parameters / self.stages[-1].num_parameters))
        return (
            f"Features no longer improve after '{self.freeze_point}': "
            f"truncate_at='{self.freeze_point}' drops {', '.join(self.dead_stages)} and "
            f"{share}% of the parameters.{self._gain_in_speed()} The loss of accuracy is at "
            f"most {100 * loss:.1f} points (upper end of the 95% CI, {number})."
        )

    def _gain_in_speed(self):
        if self.images_per_second is None:
            return ""
        (rate, truncated_rate), (size, truncated_size) = self.images_per_second, self.megabytes
        return (
            f" The truncated backbone is {truncated_rate / rate:.2g} times as fast on this "
            f"machine ({truncated_rate:,.0f} instead of {rate:,.0f} images/s) and takes "
            f"{truncated_size:.{1 if truncated_size >= 0.1 else 3}f} MB instead of "
            f"{size:.1f} MB."
        )

    def to_json(self):
        """The probes as a dict, without the results for single images."""
        stages = []
        for probe, gain in zip(self.stages, self.gains_after, strict=True):
            stages.append({**dataclasses.asdict(probe), "gain_after": gain and list(gain)})
            del stages[-1]["correct"]
        return {
            "backbone": self.backbone,
            "num_images": self.num_images,
            "freeze_point": self.freeze_point,
            "dead_stages": list(self.dead_stages),
            "conclusion": self.conclusion,
            "images_per_second": self.images_per_second,
            "megabytes": self.megabytes,
            "stages": stages,
        }

    def rows(self):
        """The table as a list of tuples of strings, the header first."""
        pairs = zip(self.stages, self.gains_after, strict=True)
        return [_HEADER, *(_row(probe, gain) for probe, gain in pairs)]


def probe_layers(
    backbone: keras.Model,
    dataset: tf.data.Dataset,
    cache: FeatureCache | None = None,
    seed: int = 0,
) -> LayerProbes:
    """Fits a linear probe on the features at the end of every stage, from one pass.

    Where accuracy stops improving, `models.TransferModel(truncate_at=)` can drop the rest of
    the backbone.

    Args:
        backbone: a `Backbone`, or another functional or sequential model.
        dataset: a `tf.data.Dataset` of batches `(images, labels)`. If its reader in `data` was
            given groups, the images of a group are in one fold, and intervals count groups.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        seed: of the folds, which are the same for all stages. Defaults to 0.

    Returns:
        `LayerProbes`; its `freeze_point` is where to cut.

    Raises:
        ValueError: if the images do not have one label each.

    Example:
        >>> probes = transferability.probe_layers(backbone, train)
        >>> [probe.stage for probe in probes.stages]
        ['stage1', 'stage2', 'stage3']

    Reference:
        Alain and Bengio, Understanding intermediate layers using linear classifier probes,
        2016; Yosinski et al., How transferable are features in deep neural networks?, NeurIPS
        2014.
    """
    backbone = as_backbone(backbone)
    cache = FeatureCache() if cache is None else cache
    found = stage_features(backbone, dataset, cache)
    if found[0].labels is None:
        raise ValueError("`probe_layers` needs labels. Received: a dataset without labels")
    ckas = [linear_cka(a.features, b.features) for a, b in itertools.pairwise(found)]
    counts = itertools.accumulate(_num_parameters(backbone))
    stages = []
    rows = list(zip(backbone.stages, found, [*ckas, None], counts, strict=True))
    for stage, part, cka, count in _progress.each(rows, "probing the stages"):
        probe = part.cross_validate(seed=seed)
        stages.append(
            StageProbe(
                stage=stage.name,
                boundary=stage.boundary,
                accuracy=probe.accuracy,
                interval=probe.interval,
                correct=probe.correct,
                logme=logme(part.features, part.labels),
                cka_to_next=cka,
                num_parameters=count,
            )
        )
    size, groups = len(found[0].features), found[0].groups
    probes = LayerProbes(tuple(stages), size, backbone.name, groups=groups)
    if not probes.dead_stages:
        return probes
    networks = [backbone, backbone.truncated(probes.freeze_point)]
    images = unaugmented(dataset)
    return dataclasses.replace(
        probes,
        images_per_second=tuple(
            cache.images_per_second(pooled_network(network), images) for network in networks
        ),
        megabytes=tuple(map(num_megabytes, networks)),
    )


def _num_parameters(backbone):
    """The number of parameters of each stage."""
    layers = {layer.name: layer for layer in backbone.layers}
    for stage in backbone.stages:
        weights = [w for name in stage.layers if name in layers for w in layers[name].weights]
        yield sum(math.prod(weight.shape) for weight in weights)


def _row(probe, gain):
    return (
        probe.stage, probe.boundary, f"{probe.accuracy:.1%}",
        "{:.1%} to {:.1%}".format(*probe.interval),
        "{:+.1%} to {:+.1%}".format(*gain) if gain else "-",
        f"{probe.logme:.3f}",
        "-" if probe.cka_to_next is None else f"{probe.cka_to_next:.2f}",
        f"{probe.num_parameters:,}",
    )  # fmt: skip
