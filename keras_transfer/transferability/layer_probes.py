"""What each stage of a backbone knows of a data set."""

import dataclasses

import numpy as np

from keras_transfer._statistics.intervals import paired_interval
from keras_transfer.transferability.truncation import Truncation

# Share of pictures; on 244 of them, dropping stages that might have cost 9 points cost 8.
_MOST_LOSS = 0.03

_HEADS = (
    "stage", "ends at", "accuracy", "95%", "more after it", "LogME", "dimension", "of",
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
    def gains_after(self):
        """For each stage `(low, high)`, 95% of what is gained after it; None for the last.

        Each end is the highest one of all later stages, on the same pictures: what is hard for
        both does not count.
        """
        return (
            *(self._gain_after(place) for place in range(len(self.stages) - 1)),
            None,
        )

    def _gain_after(self, place):
        kept, *later = (probe.correct.astype(int) for probe in self.stages[place:])
        lows, highs = zip(*(paired_interval(one - kept) for one in later), strict=True)
        return max(lows), max(highs)

    @property
    def freeze_point(self):
        """The earliest boundary after which features no longer get better for these pictures.

        It is the first after which no stage is surely better, and none can be by more than 3
        points: of few pictures neither may be known, and then nothing is given up. What is
        before it can stay frozen; what follows adds nothing to pictures like these.
        """
        pairs = zip(self.stages, self.gains_after, strict=True)
        return next(
            probe.boundary
            for probe, gain in pairs
            if gain is None or (gain[0] <= 0 and gain[1] <= _MOST_LOSS)
        )

    @property
    def dead_stages(self):
        """The names of the stages after the freeze point, which can be dropped."""
        boundaries = [probe.boundary for probe in self.stages]
        first = boundaries.index(self.freeze_point) + 1
        return tuple(probe.stage for probe in self.stages[first:])

    @property
    def unclear_boundary(self):
        """The first boundary of which too few pictures cannot tell whether to cut there.

        None where stages are dead, or each is surely better than those before it.
        """
        pairs = zip(self.stages[:-1], self.gains_after, strict=False)
        unclear = (probe.boundary for probe, (low, _) in pairs if low <= 0)
        return None if self.dead_stages else next(unclear, None)

    @property
    def conclusion(self):
        """Where to cut, and what it gains."""
        if not self.dead_stages:
            if self.unclear_boundary is not None:
                return (
                    f"From {self.num_images} pictures it cannot be told whether features get "
                    f"better after '{self.unclear_boundary}': keep all stages of "
                    f"{self.backbone}."
                )
            return (
                f"Every stage of {self.backbone} makes features better for these pictures: "
                "keep all of them."
            )
        place = [probe.boundary for probe in self.stages].index(self.freeze_point)
        kept, loss = self.stages[place], self.gains_after[place][1]
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
                {**probe.to_json(), "gain_after": gain and list(gain)}
                for probe, gain in zip(self.stages, self.gains_after, strict=True)
            ],
        }

    def rows(self):
        """The table as a list of tuples of strings, the first one its heads."""
        pairs = zip(self.stages, self.gains_after, strict=True)
        return [_HEADS, *(_row(probe, gain) for probe, gain in pairs)]


def _row(probe, gain):
    return (
        probe.stage,
        probe.boundary,
        f"{probe.accuracy:.1%}",
        "{:.1%} to {:.1%}".format(*probe.interval),
        "{:+.1%} to {:+.1%}".format(*gain) if gain else "-",
        f"{probe.logme:.3f}",
        f"{probe.dimension:.1f}",
        str(probe.num_features),
        "-" if probe.cka_to_next is None else f"{probe.cka_to_next:.2f}",
        f"{probe.num_parameters:,}",
    )
