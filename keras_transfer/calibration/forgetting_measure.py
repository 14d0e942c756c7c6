"""What a backbone has unlearned of an earlier task."""

import dataclasses

import numpy as np

from keras_transfer._statistics.intervals import difference_interval
from keras_transfer._statistics.linear_probe import cross_validate
from keras_transfer.features.pooled import pooled_features


@dataclasses.dataclass(frozen=True)
class Forgetting:
    """How well the classes of an earlier task are told apart, before and after a training.

    Attributes:
        before: the accuracy of a linear probe on the features before.
        after: the same after.
        change: `(low, high)`, 95% of `after - before` over pictures that are drawn anew.
        num_images: how many pictures of the earlier task.
    """

    before: float
    after: float
    change: tuple
    num_images: int

    @property
    def verdict(self):
        """ "forgotten", "gained" or "not settled"."""
        low, high = self.change
        return "forgotten" if high < 0 else "gained" if low > 0 else "not settled"

    @property
    def conclusion(self):
        """A sentence on it."""
        said = {
            "forgotten": "The training made the backbone forget",
            "gained": "The training made the backbone better at the earlier task",
            "not settled": "Whether the backbone has forgotten anything is not settled",
        }[self.verdict]
        low, high = self.change
        return (
            f"{said}: a linear probe tells {self.before:.1%} of {self.num_images} pictures of "
            f"the earlier task before and {self.after:.1%} after, a change of {low:+.1%} to "
            f"{high:+.1%} (95%)."
        )

    def to_json(self):
        """The figures as numbers, strings and lists."""
        return {
            **dataclasses.asdict(self),
            "change": list(self.change),
            "verdict": self.verdict,
            "conclusion": self.conclusion,
        }


def forgetting(before, after, source_dataset, cache=None, num_folds=5, num_repeats=3, seed=0):
    """Compares what a backbone knew of an earlier task with what it knows after a training.

    The earlier classifier would tell less: its weights no longer fit features that have only
    turned. So new linear classifiers are fitted on the features of either, on the same folds,
    and what they get right is compared picture by picture; where the pictures come in another
    order in each pass, as a whole, which tells less.

    Args:
        before: a `Backbone`, or a `TransferModel` for its backbone; a copy from before the
            training (`backbone.copy()`).
        after: the same after it.
        source_dataset: a `tf.data.Dataset` of batches `(images, labels)` of the earlier task.
        cache: a `features.FeatureCache`. Defaults to None, one in the user's cache folder.
        num_folds: as in `cross_validate`. Defaults to 5.
        num_repeats: how often the folds are drawn, for on few pictures a draw decides about
            percents. Defaults to 3.
        seed: of the folds and the draws. Defaults to 0.

    Returns:
        A `Forgetting`.

    Raises:
        ValueError: for data without labels, or no repeat.

    Reference: McCloskey and Cohen, Catastrophic Interference in Connectionist Networks, 1989;
    Davari et al., Probing Representation Forgetting in Supervised and Unsupervised Continual
    Learning, CVPR 2022, for the linear probe.
    """
    if isinstance(num_repeats, bool) or not isinstance(num_repeats, int) or num_repeats < 1:
        raise ValueError(
            f"`num_repeats` must be a positive integer. Received: num_repeats={num_repeats!r}"
        )
    shares, labels = [], []
    for network in (before, after):
        backbone = getattr(network, "backbone", network)
        found = pooled_features(backbone, source_dataset, cache)
        if found.labels is None:
            raise ValueError(
                "`source_dataset` must have labels. "
                f"Received: elements with the structure {source_dataset.element_spec}"
            )
        probes = [
            cross_validate(found.features, found.labels, num_folds, seed + repeat)
            for repeat in range(num_repeats)
        ]
        labels.append(found.labels)
        shares.append(np.mean([probe.correct for probe in probes], axis=0))
    earlier, later = shares
    return Forgetting(
        before=float(earlier.mean()),
        after=float(later.mean()),
        change=difference_interval(later, earlier, np.array_equal(*labels)),
        num_images=len(later),
    )
