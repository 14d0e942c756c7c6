"""When a training is killed, and what it was doing then."""

import dataclasses
import random
import re

# What `fit` prints as it goes on, in the same order in each run of a command.
_MARKS = {
    "plan": re.compile(r"\d+ pictures, \d+ steps an epoch"),
    "features": re.compile(r"Features at "),
    "epoch": re.compile(r"Epoch \d+/\d+"),
    "result": re.compile(r"\d+/\d+ - "),
}
# What a run is doing before it prints a mark.
_PARTS = {"features": "extraction", "epoch": "training", "result": "training"}


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run is at some time.

    Attributes:
        seconds: since its start.
        marks: the kinds of the marks that it has printed, a tuple.
        shards: the number of shards in its cache.
    """

    seconds: float
    marks: tuple
    shards: int


@dataclasses.dataclass(frozen=True)
class Moment:
    """A moment of a run, told by what it has done: a run that goes on comes to it sooner.

    Attributes:
        marks: how many marks have been printed.
        shards: how many shards are in the cache.
        seconds: since both were true.
    """

    marks: int
    shards: int
    seconds: float

    def is_near(self, progress):
        """Whether only the seconds are left to wait."""
        return len(progress.marks) >= self.marks and progress.shards >= self.shards


def mark_of(line):
    """The kind of mark that a line of output is, or None."""
    return next((kind for kind, pattern in _MARKS.items() if pattern.match(line)), None)


def part_after(marks, number):
    """What a run does after its first `number` marks.

    Args:
        marks: the kinds of all marks of a whole run.
        number: how many were printed.

    Returns:
        "start", "extraction", "training" or "end".
    """
    if number == 0:
        return "start"
    return _PARTS[marks[number]] if number < len(marks) else "end"


def draw(history, number, seed):
    """Moments between the start of the first extraction and the end of the last epoch.

    The time between is cut into equal pieces, and a moment of each is drawn.

    Args:
        history: the `Progress` of a whole run at each of its changes, in order.
        number: how many moments.
        seed: of the drawing.

    Returns:
        A list of `Moment`, in order of time.
    """
    marks = history[-1].marks
    begin = next(progress.seconds for progress in history if progress.marks)
    end = next(progress.seconds for progress in history if progress.marks == marks)
    numbers = random.Random(seed)
    times = [
        begin + (end - begin) * (piece + numbers.random()) / number for piece in range(number)
    ]
    return [_moment_at(time, history) for time in times]


def _moment_at(time, history):
    last = max(
        (progress for progress in history if progress.seconds <= time),
        key=lambda progress: progress.seconds,
    )
    return Moment(len(last.marks), last.shards, time - last.seconds)
