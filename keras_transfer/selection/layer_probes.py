"""What each stage of a backbone knows of a data set."""

import dataclasses

import numpy as np

from keras_transfer.selection.intervals import bootstrap_interval
from keras_transfer.selection.truncation import Truncation

# Share of pictures; on 244 of them, dropping stages that might have cost 9 points cost 8.
_MOST_LOSS = 0.03

_HEADS = (
    "stage", "ends at", "accuracy", "95%", "behind the best", "LogME", "dimension", "of",
    "CKA to the next", "parameters",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class StageProbe:
    """The features at the end of one stage, averaged over the positions.

    Attributes:
        stage: the name of the stage.
        boundary: the name of the boundary where it ends.
        accuracy: of a linear probe, cross-validated.
        interval: `(low, high)`, 95% of that accuracy.
        correct: a bool for each picture, whether the probe was right.
        logme: see `logme`.
        dimension: see `intrinsic_dimension`.
        num_features: the length of a feature vector.
        cka_to_next: see `linear_cka`; how alike the next stage's features are. None for the
            last stage.
        num_parameters: of all layers up to this boundary.
    """

    stage: str
    boundary: str
    accuracy: float
    interval: tuple
    correct: np.ndarray
    logme: float
    dimension: float
    num_features: int
    cka_to_next: float | None
    num_parameters: int

    def to_json(self):
        """The figures as numbers, strings and lists, without those of single pictures."""
        values = dataclasses.asdict(self)
        del values["correct"]
        return values


@dataclasses.dataclass(frozen=True)
class LayerProbes:
    """The stages of a backbone on a data set, from the input on.

    Attributes:
        stages: a tuple of `StageProbe`.
        num_images: how many pictures they were probed on.
        backbone: the name of the backbone.
        truncation: a `Truncation` at the freeze point, or None where it was not measured or
            nothing can be dropped.
    """

    stages: tuple
    num_images: int
    backbone: str
    truncation: Truncation | None = None

    @property
    def best(self):
        """The `StageProbe` of the highest accuracy."""
        return max(self.stages, key=lambda probe: probe.accuracy)

    @property
    def deficits(self):
        """For each stage `(low, high)`, 95% of how far its accuracy lies behind the best.

        The same pictures are drawn for both, so that what is hard for both does not count.
        """
        best = self.best.correct.astype(int)
        return tuple(
            bootstrap_interval(best - probe.correct.astype(int)) for probe in self.stages
        )

    @property
    def freeze_point(self):
        """The earliest boundary after which features no longer get better for these pictures.

        It is the first that does not lie surely behind the best one, and surely not more than
        3 points: of few pictures neither may be known, and then nothing is given up. What is
        before it can stay frozen; what follows adds nothing to pictures like these.
        """
        pairs = zip(self.stages, self.deficits, strict=True)
        return next(
            probe.boundary for probe, (low, high) in pairs if low <= 0 and high <= _MOST_LOSS
        )

    @property
    def dead_stages(self):
        """The names of the stages after the freeze point, which can be dropped."""
        boundaries = [probe.boundary for probe in self.stages]
        first = boundaries.index(self.freeze_point) + 1
        return tuple(probe.stage for probe in self.stages[first:])

    @property
    def conclusion(self):
        """Where to cut, and what it gains."""
        if not self.dead_stages:
            pairs = list(zip(self.stages, self.deficits, strict=True))[:-1]
            unclear = [probe.boundary for probe, (low, _) in pairs if low <= 0]
            if unclear:
                return (
                    f"From {self.num_images} pictures it cannot be told whether features get "
                    f"better after '{unclear[0]}': keep all stages of {self.backbone}."
                )
            return (
                f"Every stage of {self.backbone} makes features better for these pictures: "
                "keep all of them."
            )
        place = [probe.boundary for probe in self.stages].index(self.freeze_point)
        kept, loss = self.stages[place], max(0.0, self.deficits[place][1])
        share = 1 - kept.num_parameters / self.stages[-1].num_parameters
        gain = f" {self.truncation}" if self.truncation else ""
        return (
            f"After '{self.freeze_point}' features no longer get better for these pictures: "
            f"{', '.join(self.dead_stages)} and {int(100 * share)}% of the parameters can be "
            f"dropped with truncate_at='{self.freeze_point}'.{gain} From {self.num_images} "
            f"pictures, a loss of up to {loss:.1%} cannot be ruled out."
        )

    def to_json(self):
        """The probes as numbers, strings, lists and dicts."""
        return {
            "backbone": self.backbone,
            "num_images": self.num_images,
            "freeze_point": self.freeze_point,
            "dead_stages": list(self.dead_stages),
            "conclusion": self.conclusion,
            "truncation": self.truncation and dataclasses.asdict(self.truncation),
            "stages": [
                {**probe.to_json(), "behind_the_best": list(deficit)}
                for probe, deficit in zip(self.stages, self.deficits, strict=True)
            ],
        }

    def rows(self):
        """The table as a list of tuples of strings, the first one its heads."""
        pairs = zip(self.stages, self.deficits, strict=True)
        return [_HEADS, *(_row(probe, deficit) for probe, deficit in pairs)]


def _row(probe, deficit):
    return (
        probe.stage,
        probe.boundary,
        f"{probe.accuracy:.1%}",
        "{:.1%} to {:.1%}".format(*probe.interval),
        "{:+.1%} to {:+.1%}".format(*deficit),
        f"{probe.logme:.3f}",
        f"{probe.dimension:.1f}",
        str(probe.num_features),
        "-" if probe.cka_to_next is None else f"{probe.cka_to_next:.2f}",
        f"{probe.num_parameters:,}",
    )
