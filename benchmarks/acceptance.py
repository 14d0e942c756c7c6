"""What is compared with what, and what is good enough."""

import dataclasses
import itertools

from benchmarks import summary


@dataclasses.dataclass(frozen=True)
class Limit:
    """A bound that a figure has to keep to.

    Attributes:
        relation: "<=" or ">=".
        bound: the number.
    """

    relation: str
    bound: float

    def is_met(self, value):
        """Whether a value keeps to the bound."""
        return value <= self.bound if self.relation == "<=" else value >= self.bound


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A row of a suite beside another one, in one of their values, or beside nothing.

    Attributes:
        suite: the suite.
        row: the row's name.
        against: the name of the one it is compared with; None for `kind` "value".
        value: the value that is compared.
        limit: a `Limit` for the median, or for each value where `against` is None; or None.
        kind: "ratio", "difference", "value" for a limit to the value itself, or "paired" for a
            difference of accuracies on the same pictures, with a limit to the upper end of its
            interval.
        where: the part of a group's description that the limit holds for, as a tuple of pairs.
            Defaults to none, every group.
        mean_limit: a `Limit` for the mean over the groups of a suite, or None.
    """

    suite: str
    row: str
    against: str | None
    value: str
    limit: Limit | None = None
    kind: str = "ratio"
    where: tuple = ()
    mean_limit: Limit | None = None

    def limit_in(self, group):
        """The limit that holds in a group, a tuple of pairs, or None."""
        return self.limit if set(self.where) <= set(group) else None

    def of(self, rows, against):
        """The ratios or differences of rows measured side by side, or the values."""
        if self.kind == "value":
            return summary.values_of(rows, self.value)
        measure = summary.ratios if self.kind == "ratio" else summary.differences
        return measure(rows, against, self.value)


# Against what a user would call otherwise, and against the engine on pictures in memory.
_EXTRACTION = {
    ("extract, openvino", "stem.predict, files"): Limit(">=", 3.0),
    ("extract, openvino", "OpenVINO, memory"): Limit(">=", 0.8),
}


# The data and the network of the limits to a single training.
_NAMED = (("data", "clothing"), ("network", "MobileNetV2 at 160 px"))


def _training(row, against, seconds=None, accuracy=None, mean_seconds=None, mean_accuracy=None):
    """The comparisons of two trainings, with the limits to the first one."""
    rows = "accuracy", row, against
    return (
        Comparison(*rows, "seconds", seconds, "ratio", _NAMED, mean_seconds),
        Comparison(*rows, "final_accuracy", accuracy, "difference", _NAMED, mean_accuracy),
        Comparison(*rows, "test_accuracy", None, "difference"),
    )


def _extraction():
    """What each extraction is compared with: what it replaces, and what bounds it."""
    for engine, bare in (("tensorflow", "tf.function"), ("openvino", "OpenVINO")):
        rows = f"extract, {engine}", f"extract, {engine}, with set-up"
        for row, against in itertools.product(
            rows, ("stem.predict, files", "reading the files alone", f"{bare}, memory")
        ):
            limit = _EXTRACTION.get((row, against))
            yield Comparison("extraction", row, against, "rate", limit)


_AT_MOST, _AT_LEAST = "<=", ">="
_STEP = Limit(_AT_MOST, 1.03)
_NOT_SURELY_WORSE = Limit(_AT_LEAST, 0.0)

COMPARISONS = (
    *_training("guide_cached", "guide"),
    *_training(
        "default",
        "guide",
        Limit(_AT_MOST, 1 / 6),
        Limit(_AT_LEAST, 0.03),
        Limit(_AT_MOST, 1 / 5),
        Limit(_AT_LEAST, 0.0),
    ),
    Comparison("accuracy", "default", "guide_cached", "seconds"),
    *_training("at_guide_accuracy", "guide", Limit(_AT_MOST, 1 / 20), Limit(_AT_LEAST, 0.0)),
    Comparison("accuracy", "at_guide_accuracy", "guide_cached", "seconds"),
    *(
        Comparison(
            "strategies", "recommended", row, "final_accuracy", _NOT_SURELY_WORSE, "paired"
        )
        for row in ("head", "last two stages", "everything", "from scratch")
    ),
    Comparison("dead_stages", "cut", "whole", "final_accuracy", _NOT_SURELY_WORSE, "paired"),
    Comparison("dead_stages", "cut", "whole", "seconds"),
    Comparison("dead_stages", "cut", "whole", "rate"),
    Comparison("dead_stages", "cut", "whole", "model_megabytes"),
    Comparison("head", "fine_tune, cached", "Keras, arrays", "seconds"),
    Comparison("head", "fine_tune, cached", "pictures, 1 epoch", "seconds"),
    *_extraction(),
    Comparison("steps", "AdamW again", "AdamW", "milliseconds"),
    Comparison("steps", "LearningRateMultiplier(AdamW)", "AdamW", "milliseconds", _STEP),
    Comparison("steps", "MultiOptimizer(AdamW)", "AdamW", "milliseconds"),
    Comparison(
        "steps",
        "LearningRateMultiplier(AdamW)",
        "MultiOptimizer(AdamW)",
        "milliseconds",
        Limit("<=", 1.0),
    ),
    Comparison("steps", "TransferModel.fit", "Keras' fit", "milliseconds", _STEP),
    Comparison("steps", "image_folder", "image_dataset_from_directory", "rate"),
    Comparison("memory", "10 times", "base size", "peak"),
    Comparison("memory", "100 times", "base size", "peak"),
    Comparison("memory", "100 times", "base size", "peak", None, "difference"),
    Comparison("memory", "100 times", "10 times", "peak", Limit(_AT_MOST, 300.0), "difference"),
    Comparison("memory", "100 times", "10 times", "milliseconds"),
    *(
        Comparison("views", f"views {number}", "views 1", value, None, kind)
        for number in (2, 4, 8)
        for value, kind in (("seconds", "ratio"), ("final_accuracy", "difference"))
    ),
    *(
        Comparison("workers", row, "one process", value, None, kind)
        for row in ("2 workers", "2 workers of 2 devices", "2 workers, one killed")
        for value, kind in (("seconds", "ratio"), ("final_accuracy", "difference"))
    ),
    *(
        Comparison("audit", "copies", None, value, Limit(_AT_LEAST, 0.95), "value")
        for value in (
            "recall_resized",
            "recall_compressed",
            "recall_mirrored",
            "recall_cropped",
            "recall_cropped_around",
            "precision",
        )
    ),
    # More than 3 of 20 at a level of 5% come by chance in 1.6% of the measurements.
    Comparison("audit", "shift", None, "false_alarms", Limit(_AT_MOST, 3), "value"),
    *(
        Comparison("audit", "shift", None, f"found_{kind}", Limit(_AT_LEAST, 1), "value")
        for kind in ("brighter", "other_camera")
    ),
    *(
        Comparison("replicas", f"{number} replicas", "1 replica", "milliseconds")
        for number in (2, 4)
    ),
    *(
        Comparison("kills", f"killed {number} times", None, value, Limit(_AT_MOST, 0), "value")
        for number in (3, 20)
        for value in ("differing", "other_weights", "missing", "left_over")
    ),
)


def comparisons_of(suite, row, value):
    """The comparisons of one value of one row."""
    wanted = (suite, row, value)
    return [
        comparison
        for comparison in COMPARISONS
        if (comparison.suite, comparison.row, comparison.value) == wanted
    ]
