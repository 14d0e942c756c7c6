"""A plan chosen after a look at the images, with the figures behind it."""

import contextlib
import dataclasses
import tempfile
import typing

import keras
import tensorflow as tf

from keras_transfer import _progress
from keras_transfer._figures import BAND, BLUE, ORANGE, RULE, new_figure, set_title
from keras_transfer._statistics.intervals import paired_interval
from keras_transfer.features import FeatureCache
from keras_transfer.features.pooled import stage_features
from keras_transfer.models.checks import as_backbone
from keras_transfer.plans.chooser import (
    FEW_PER_CLASS,
    UNLIKE,
    choose_plan,
    choose_strategy,
)
from keras_transfer.plans.likeness import Likeness, measure_likeness
from keras_transfer.plans.plan import Plan

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

_SMALL_LOSS = 0.03
_CUT_REASON = (
    "Linear probes show that features after '{}' are significantly worse: the later stages are "
    "left out."
)
_SETTLE = (
    "`transferability.check_negative_transfer` (`keras-transfer recommend --settle`) finds out "
    "by experiment."
)


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """What to train, and why.

    Attributes:
        strategy: one of `plans.chooser.STRATEGIES`.
        plan: a `Plan` for it, with its reasons.
        likeness: the `Likeness` behind it.
        warnings: a tuple of sentences; there are some where transfer may not help.
    """

    strategy: str
    plan: Plan
    likeness: Likeness
    warnings: tuple = ()

    @property
    def reasons(self):
        """The plan's reasons."""
        return self.plan.reasons

    def to_json(self):
        """The recommendation as numbers, strings, lists and dicts."""
        return {
            "strategy": self.strategy,
            "warnings": list(self.warnings),
            "likeness": self.likeness.to_json(),
            "plan": self.plan.to_json(),
        }

    def rows(self):
        """The figures as a table: a list of tuples of strings, the first one the header."""
        return self.likeness.rows()


def recommend(
    dataset: tf.data.Dataset,
    backbone: keras.Model,
    cache: FeatureCache | bool | None = None,
    batch_size: int = 32,
    seed: int = 0,
    truncate: bool = False,
) -> Recommendation:
    """Measures how like the source the images are, and chooses a plan by it.

    A probe on the pretrained features shows how far they serve as they are; the
    same probe on the backbone with random weights shows what pretraining adds, and on augmented
    images whether the augmentation does harm. `choose_plan` decides by these and by the number
    of images.

    Args:
        dataset: a `tf.data.Dataset` of batches `(images, labels)`, augmented as it will be for
            the training.
        backbone: a `Backbone`, or another functional or sequential model, with pretrained
            weights.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder;
            False stores nothing.
        batch_size: the number of images in a step. Defaults to 32.
        seed: of the folds and of the random weights. Defaults to 0.
        truncate: whether last stages are left out if probes find them significantly worse.
            Defaults to False: a stage that is worse for a linear probe may be the better one to
            fine-tune.

    Returns:
        A `Recommendation`; the `truncate_at` of its plan is for `models.TransferModel`.

    Raises:
        ValueError: if an image does not have exactly one label.

    Example:

    >>> recommendation = plans.recommend(train, backbone)
    >>> recommendation.strategy
    'train the head'
    """
    backbone = as_backbone(backbone)
    with _opened(cache) as used:
        cut = _boundary_to_keep(dataset, backbone, used, seed) if truncate else None
        kept = backbone.truncated(cut) if cut else backbone
        likeness = measure_likeness(dataset, kept, used, seed)
    size = likeness.num_images, batch_size
    num_stages = len(kept.stages)
    strategy, _ = choose_strategy(*size, likeness.images_per_class, num_stages, likeness)
    plan = choose_plan(
        likeness.num_images, likeness.num_classes, num_stages, batch_size, likeness
    )
    if cut:
        reasons = [_CUT_REASON.format(cut), *plan.reasons]
        plan = dataclasses.replace(plan, truncate_at=cut, reasons=reasons).with_exact_head()
    return Recommendation(strategy, plan, likeness, tuple(_warnings(likeness)))


def _boundary_to_keep(dataset, backbone, cache, seed):
    """The boundary before the last stages, if their features are significantly worse.

    Of the stages that are not significantly worse than the best one, or by at most 3 points,
    the latest is kept: it has more to fine-tune.
    """
    found = stage_features(backbone, dataset, cache)
    if found[0].labels is None:
        raise ValueError("A recommendation needs labels. Received: a dataset without labels")
    hits = [
        stage.cross_validate(seed=seed).correct
        for stage in _progress.each(found, "probing the stages")
    ]
    best = max(hits, key=lambda row: row.mean()).astype(int)
    kept = [
        place
        for place, row in enumerate(hits)
        if paired_interval(row - best, found[0].groups)[1] >= 0
        or best.mean() - row.mean() <= _SMALL_LOSS
    ]
    return backbone.stages[kept[-1]].boundary if kept[-1] < len(hits) - 1 else None


@contextlib.contextmanager
def _opened(cache):
    if cache is not False:
        yield cache
        return
    with tempfile.TemporaryDirectory() as folder:
        yield FeatureCache(folder)


def _warnings(likeness):
    low, high = likeness.gain
    if high < 0:
        yield (
            "Transfer is likely to hurt: pretrained features are significantly worse than "
            f"those of random weights. {_SETTLE}"
        )
    elif low <= 0:
        yield (
            "Transfer may not help: pretrained features are not significantly better than "
            f"those of random weights. {_SETTLE}"
        )


def plot_recommendation(recommendation: Recommendation) -> "Figure":
    """Plots the accuracy of both probes, and where the data set lies among the strategies.

    Args:
        recommendation: a `Recommendation`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    figure, (probes, place) = new_figure(1, 2, (9, 3.4))
    draw_gain(probes, recommendation)
    draw_place(place, recommendation)
    return figure


def draw_gain(panel, recommendation):
    """The accuracy of a linear probe on pretrained and on random weights."""
    likeness = recommendation.likeness
    bars = (
        ("pretrained", likeness.accuracy, BLUE),
        ("random", likeness.random_accuracy, ORANGE),
    )
    for position, (_, accuracy, colour) in enumerate(bars):
        panel.barh(position, accuracy, color=colour, height=0.6)
        end = max(accuracy, likeness.interval[1]) if position == 0 else accuracy
        panel.text(end, position, f"  {accuracy:.1%}", va="center")
    panel.plot(likeness.interval, [0, 0], color="black", linewidth=1.5, label="95% CI")
    panel.axvline(likeness.chance, color=RULE, linestyle="--", label="largest class")
    panel.set_yticks(range(len(bars)), [f"{name} weights" for name, _, _ in bars])
    panel.invert_yaxis()
    panel.set(xlim=(0, 1.2), xticks=[0, 0.25, 0.5, 0.75, 1], xlabel="cross-validated accuracy")
    panel.xaxis.set_major_formatter("{x:.0%}")
    set_title(panel, "Linear probe with and without pretraining")


def draw_place(panel, recommendation):
    """Where the data set lies among the strategies."""
    likeness = recommendation.likeness
    panel.plot(
        likeness.images_per_class, likeness.skill, "o", color=BLUE, markersize=10,
        label=f"these images: {recommendation.strategy}",
    )  # fmt: skip
    panel.set(xscale="log", xlim=(1, 1e5), ylim=(-0.05, 1.05))
    panel.set(xlabel="images per class (logarithmic)", ylabel="skill (0: chance, 1: perfect)")
    panel.xaxis.set_major_formatter("{x:,.0f}")
    panel.xaxis.set_minor_formatter("")
    panel.axvspan(1, FEW_PER_CLASS, color=BAND, zorder=0)
    panel.axhline(UNLIKE, color=RULE, linewidth=0.8, zorder=0)
    for x, y, text in (
        (4.5, 0.75, "head"), (3e3, 0.75, "last stages"), (3e3, 0.25, "everything"),
    ):  # fmt: skip
        panel.text(x, y, text, color=RULE, ha="center", va="center")
    set_title(panel, "What to train, by size and skill", columns=1)
