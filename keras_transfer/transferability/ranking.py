"""Candidates in order, with what cannot be told apart."""

import dataclasses

_HEADS = (
    "rank", "backbone", "expected accuracy", "95%", "LogME", "H-score", "LEEP", "NCE",
    "parameters", "size", "images/s", "best for its speed",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Backbones by the accuracy that a head is expected to reach on them.

    Attributes:
        scores: a tuple of `CandidateScore`, the most accurate first.
        num_images: how many pictures they were scored on.
        seconds: how long it took.
        chance: the accuracy of always naming the largest class.
    """

    scores: tuple
    num_images: int
    seconds: float
    chance: float

    @property
    def ranks(self):
        """A rank for each candidate; those whose intervals overlap the best one's share it.

        A rank is one more than the number of candidates that are surely better.
        """
        return tuple(
            1 + sum(_is_surely_better(other, score) for other in self.scores)
            for score in self.scores
        )

    @property
    def ties(self):
        """The names of the candidates that may be the best one."""
        return tuple(
            score.name for score, rank in zip(self.scores, self.ranks, strict=True) if rank == 1
        )

    @property
    def conclusion(self):
        """Which one to take, in a sentence."""
        best = self.scores[0]
        if best.interval[0] <= self.chance:
            told = (
                "no network is surely better than always naming the largest class, which is "
                f"right in {self.chance:.1%}"
            )
        elif len(self.ties) > 1:
            told = f"{' and '.join(self.ties)} cannot be told apart on these pictures"
        elif len(self.scores) > 1:
            told = f"{best.name} is surely the best one"
        else:
            told = "{} reaches {:.1%} to {:.1%}".format(best.name, *best.interval)
        return f"Of {self.num_images} pictures: {told}."

    @property
    def pareto_front(self):
        """The names of the candidates that none is both more accurate and faster than."""
        return tuple(
            score.name
            for score in self.scores
            if not any(_dominates(other, score) for other in self.scores)
        )

    def to_json(self):
        """The ranking as numbers, strings, lists and dicts."""
        return {
            "num_images": self.num_images,
            "seconds": self.seconds,
            "chance": self.chance,
            "conclusion": self.conclusion,
            "ties": list(self.ties),
            "pareto_front": list(self.pareto_front),
            "candidates": [
                {"rank": rank, **score.to_json()}
                for score, rank in zip(self.scores, self.ranks, strict=True)
            ],
        }

    def rows(self):
        """The table as a list of tuples of strings, the first one its heads."""
        front = self.pareto_front
        return [
            _HEADS,
            *(
                _row(score, rank, score.name in front)
                for score, rank in zip(self.scores, self.ranks, strict=True)
            ),
        ]


def _is_surely_better(other, score):
    return other.interval[0] > score.interval[1]


def _dominates(other, score):
    pairs = [
        (other.accuracy, score.accuracy),
        (other.images_per_second, score.images_per_second),
    ]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def _row(score, rank, is_on_front):
    low, high = score.interval
    return (
        str(rank),
        score.name,
        f"{score.accuracy:.1%}",
        f"{low:.1%} to {high:.1%}",
        f"{score.logme:.3f}",
        f"{score.h_score:.3f}",
        *("-" if value is None else f"{value:.3f}" for value in (score.leep, score.nce)),
        f"{score.num_parameters:,}",
        f"{score.megabytes:.1f} MB",
        f"{score.images_per_second:.0f}",
        "yes" if is_on_front else "",
    )
