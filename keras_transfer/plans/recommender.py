"""A plan with reasons."""

import contextlib
import tempfile

from keras_transfer.features import FeatureCache
from keras_transfer.plans import Plan
from keras_transfer.plans.likeness import measure_likeness
from keras_transfer.plans.phases import (
    are_very_few_steps,
    exact_head_phase,
    head_phase,
    scratch_phase,
    tuning_epochs,
    tuning_phase,
)
from keras_transfer.plans.recommendation import Recommendation

# Below so many pictures per class, weights before the head are fitted to single pictures.
FEW_PER_CLASS = 20
# From so many on, random weights can learn as much as pretrained ones bring.
_ENOUGH_FOR_SCRATCH = 1000
# A probe that is wrong less often leaves nothing to train for.
_PERFECT = 0.99
# Below, the pictures are unlike the source's: its last stages are about other things.
UNLIKE = 0.5
# A third one costs time, and gave nothing on four data sets: see benchmarks/measured.
_LAST_STAGES = 2


def recommend(dataset, backbone, cache=None, batch_size=32, seed=0):
    """Chooses what to train from how much data there are, and from how alike they are.

    The first axis is the number of pictures in a class. The second is measured: what a probe
    on pretrained features reaches, and what it gains over the randomly initialised twin. How
    well classes are apart, and how far the pictures' statistics are from the backbone's own, is
    told beside it.

    | | alike | unlike |
    |---|---|---|
    | few pictures | train the head | train the head |
    | many pictures | train the last stages | train everything |

    Where a probe is all but perfect the backbone is used as it is, with the exact head. Where
    pretrained features are surely worse than random ones, and pictures are enough, training
    starts from scratch.

    Args:
        dataset: a `tf.data.Dataset` of batches `(images, labels)`.
        backbone: a `Backbone` with pretrained weights.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder;
            False keeps nothing.
        batch_size: the number of pictures in a step. Defaults to 32.
        seed: of the folds and of the twin. Defaults to 0.

    Returns:
        A `Recommendation`.

    Raises:
        ValueError: for data without one label each.

    Reference: the table is that of Yosinski et al., How transferable are features in deep
    neural networks?, NeurIPS 2014, as practice took it up.
    """
    with _cache(cache) as used:
        likeness = measure_likeness(dataset, backbone, used, seed)
    num_stages = len(backbone.stages)
    strategy, stages = choose_strategy(likeness, num_stages, batch_size)
    phases = phases_of(strategy, stages, num_stages, likeness.num_images, batch_size)
    reasons = [*_figures(likeness), _reason(strategy, stages, likeness)]
    plan = Plan(phases, reasons, from_scratch=strategy == "train from scratch")
    return Recommendation(strategy, plan, likeness, tuple(_warnings(likeness)))


@contextlib.contextmanager
def _cache(cache):
    if cache is not False:
        yield cache
        return
    with tempfile.TemporaryDirectory() as folder:
        yield FeatureCache(folder)


def choose_strategy(likeness, num_stages, batch_size=32):
    """One of `STRATEGIES` and the number of stages to train, from the figures alone.

    Args:
        likeness: a `Likeness`.
        num_stages: how many stages the backbone has.
        batch_size: the number of pictures in a step. Defaults to 32.

    Returns:
        `(strategy, stages)`.
    """
    if likeness.gain[1] < 0 and likeness.images_per_class >= _ENOUGH_FOR_SCRATCH:
        return "train from scratch", num_stages
    if likeness.interval[0] >= _PERFECT:
        return "use as is", 0
    if likeness.images_per_class < FEW_PER_CLASS:
        return "train the head", 0
    epochs = tuning_epochs(likeness.num_images, batch_size)
    stages = num_stages if likeness.skill < UNLIKE else _LAST_STAGES
    if are_very_few_steps(epochs, likeness.num_images, batch_size):
        stages = 1
    if stages >= num_stages:
        return "train everything", num_stages
    return "train the last stages", stages


def phases_of(strategy, stages, num_stages, num_images, batch_size=32):
    """The phases of a strategy.

    Args:
        strategy: one of `STRATEGIES`.
        stages: how many of the last stages are trained.
        num_stages: how many there are.
        num_images: the number of training pictures.
        batch_size: the number of pictures in a step. Defaults to 32.
    """
    if strategy == "use as is":
        return [exact_head_phase()]
    if strategy == "train from scratch":
        return [scratch_phase(num_images, batch_size)]
    head = head_phase(num_images, batch_size)
    if strategy == "train the head":
        return [head]
    return [head, tuning_phase(stages, num_stages, num_images, batch_size)]


def _figures(likeness):
    yield (
        f"{likeness.num_images} pictures, {likeness.images_per_class:.0f} a class. A linear "
        f"probe on the pretrained features is right for {likeness.accuracy:.1%} of those it "
        f"has not seen ({likeness.interval[0]:.1%} to {likeness.interval[1]:.1%}), on those of "
        f"the random twin for {likeness.random_accuracy:.1%}, by chance for "
        f"{likeness.chance:.1%}."
    )
    if likeness.distance is not None:
        yield (
            f"The pictures' statistics lie {likeness.distance:.2f} nats from those that "
            "BatchNormalization has from the source; the classes' separability is "
            f"{likeness.separability:.2f} of 1."
        )


def _reason(strategy, stages, likeness):
    if strategy == "use as is":
        return (
            f"The features as they are leave less than {1 - _PERFECT:.0%} to learn: the exact "
            "head on the frozen backbone does it, in one step."
        )
    if strategy == "train the head":
        return (
            f"With fewer than {FEW_PER_CLASS} pictures a class the last stages would learn "
            "the pictures by heart: only the head is trained."
        )
    if strategy == "train from scratch":
        return (
            "Pretrained features are surely worse than random ones here, and "
            f"{likeness.images_per_class:.0f} pictures a class are enough to learn from."
        )
    if strategy == "train everything" and likeness.skill >= UNLIKE:
        return (
            "The backbone has so few stages that all are trained from their pretrained "
            "weights, each at 0.7 times the rate of the one after it."
        )
    if strategy == "train everything":
        return (
            f"A skill of {likeness.skill:.2f} between chance and perfection says that the "
            "pictures are unlike the source's: every stage is trained from its pretrained "
            "weights, each at 0.7 times the rate of the one after it."
        )
    last = "the last stage" if stages == 1 else f"the last {stages} stages"
    return (
        f"A skill of {likeness.skill:.2f} between chance and perfection says how far the "
        f"features serve as they are: the head first, then {last}, each at 0.7 times the rate "
        "of the one after it."
    )


def _warnings(likeness):
    low, high = likeness.gain
    if high < 0:
        yield (
            "Transfer is likely to hurt: pretrained features are surely worse than those of a "
            "network that has learned nothing. `transferability.check_negative_transfer` "
            "(recommend --settle) settles it."
        )
    elif low <= 0:
        yield (
            "Pretrained features are not surely better than those of a network that has "
            "learned nothing: transfer may not help. `transferability.check_negative_transfer` "
            "(recommend --settle) settles it."
        )
