"""Accuracy by group: hospital, camera, place, or whatever an image comes from."""

import dataclasses
import os

import numpy as np

from keras_transfer._statistics.intervals import wilson_interval
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.metadata import read_groups

# Of all tests together.
_LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class GroupAccuracy:
    """The accuracy in one group of images.

    Attributes:
        group: its name.
        num_images: the number of images in it.
        num_correct: the number of correct predictions.
        interval: `(low, high)`, the 95% Wilson interval of the accuracy.
        p_value: of the test that the rest is not more accurate, corrected for the number of
            groups; 1 without a rest.
        below: whether it is significantly less accurate than the rest.
    """

    group: str
    num_images: int
    num_correct: int
    interval: tuple
    p_value: float
    below: bool

    @property
    def accuracy(self):
        """The share of correct predictions."""
        return self.num_correct / self.num_images

    def to_json(self):
        """The figures as a dict."""
        return {**dataclasses.asdict(self), "accuracy": self.accuracy}


def group_accuracy(correct, groups):
    """The accuracy in each group, and which groups are significantly below the rest.

    Each group is compared with all other images by a one-sided Fisher's exact test. With the
    Bonferroni correction the probability of any false alarm is at most 5%. Images whose group
    is None are left out.

    Example:
        >>> correct = [True] * 30 + [False] * 10
        >>> found = group_accuracy(correct, ["north"] * 25 + ["south"] * 15)
        >>> [(one.group, round(one.accuracy, 2), one.below) for one in found]
        [('south', 0.33, True), ('north', 1.0, False)]

    Reference:
        Wilson, Probable Inference, JASA 1927; Fisher, The Logic of Inductive Inference, JRSS
        1935.
    """
    from scipy.stats import fisher_exact

    correct, groups = np.asarray(correct, bool), list(groups)
    known = np.array([group is not None for group in groups], bool)
    names = np.array([str(group) for group in groups])[known]
    correct, distinct = correct[known], np.unique(names)
    found = []
    for name in distinct:
        hits, others = correct[names == name], correct[names != name]
        table = [[one.sum(), len(one) - one.sum()] for one in (hits, others)]
        p_value = fisher_exact(table, alternative="less").pvalue if len(others) else 1.0
        p_value = min(1.0, float(p_value) * len(distinct))
        right, interval = int(hits.sum()), wilson_interval(hits.sum(), len(hits))
        found.append(
            GroupAccuracy(str(name), len(hits), right, interval, p_value, p_value <= _LEVEL)
        )
    return tuple(sorted(found, key=lambda group: (group.accuracy, group.group)))


def groups_from_csv(
    file: str | os.PathLike,
    column: str,
    splits: ImageSplits,
    directory: str | os.PathLike | None = None,
) -> dict[str, list]:
    """The group of each image, from a CSV file with a column `path`.

    Args:
        file: the CSV file in UTF-8, with a header and with commas, semicolons or tabs between
            the cells. Paths in it are absolute, or relative to `directory` or to the file.
        column: the name of the column with the groups.
        splits: an `ImageSplits` of files.
        directory: the folder that `splits` was read from. Defaults to None.

    Returns:
        A dict from split to a list with the group of each image; None for an image that is not
        in the file or whose cell is empty.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not a CSV file with these columns, contains none of the images, or
            assigns two groups to an image.

    Example:
        >>> with open("cameras.csv", "w") as file:
        ...     lines = ["path,camera", *(f"{path},one" for path in splits.paths["train"])]
        ...     _ = file.write("\\n".join(lines))
        >>> set(auditing.groups_from_csv("cameras.csv", "camera", splits)["train"])
        {'one'}
    """
    found = read_groups(file, column, directory)
    groups = {
        split: [found.get(os.path.realpath(path)) for path in paths]
        for split, paths in splits.paths.items()
    }
    if not any(group is not None for named in groups.values() for group in named):
        example = next((path for paths in splits.paths.values() for path in paths), None)
        raise ValueError(
            f"'{file}' assigns a group to none of the images: its column 'path' must hold "
            "paths relative to the folder of the images or to the file, and its column "
            f"{column!r} must not be empty. An image: {example!r}. "
            f"Received: file={os.fspath(file)!r}"
        )
    return groups
