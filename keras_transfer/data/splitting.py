"""Which images become the validation set."""

import collections
import collections.abc
import hashlib
import os
import warnings

import numpy as np

# Ranges of numbers with as many images each, of which a split takes equal shares; in a smaller
# one the share would be far from whole.
_RANGES, _FEWEST_IN_A_RANGE = 5, 10


def strata_of(labels, task):
    """For each image the names of what a split takes an equal share of, a tuple.

    Args:
        labels: of the images: class indices, or rows of labels or numbers.
        task: as in `ImageSplits`. Of several numbers the first one counts.
    """
    if task == "classes":
        return [(label,) for label in labels]
    if task == "labels":  # -1 stands for images without labels
        return [tuple(np.flatnonzero(row).tolist()) or (-1,) for row in labels]
    if task in ("masks", "boxes"):
        return [(0,)] * len(labels)
    numbers = np.array([row[0] for row in labels])
    number = max(1, min(_RANGES, len(numbers) // _FEWEST_IN_A_RANGE))
    bounds = np.quantile(numbers, np.linspace(0, 1, number + 1)[1:-1])
    return [(one,) for one in np.searchsorted(bounds, numbers, side="right").tolist()]


def rarest_strata(labels, task):
    """One stratum for each image; of several the rarest counts."""
    strata = strata_of(labels, task)
    sizes = collections.Counter(one for found in strata for one in found)
    return [min(found, key=lambda one: (sizes[one], one)) for found in strata]


def stratified_split(strata, units, fraction, seed):
    """Sets aside `fraction` of each stratum, at least one unit and never all of them.

    Each image has a tuple of strata: its class, or its labels.

    The images of a unit (equal values in `units`) stay together. The draw hashes the seed with
    each unit: it depends neither on names nor on the file system, and an added image moves
    hardly any other. A unit that would take the strata further from their shares is passed
    over. Returns two ascending lists of indices.

    Example:
        >>> stratified_split([(0,), (0,), (0,), (1,)], ["a", "b", "c", "d"], 0.4, seed=0)
        ([0, 1, 3], [2])
    """
    counts: dict = {}
    for found, unit in zip(strata, units, strict=True):
        counts.setdefault(unit, collections.Counter()).update(found)
    totals = collections.Counter(label for found in strata for label in found)
    num_units = collections.Counter(label for unit in counts.values() for label in unit)
    shares = {
        label: min(max(1, round(fraction * total)), total - 1)
        for label, total in totals.items()
        if num_units[label] > 1
    }
    chosen: set = set()
    reached: collections.Counter = collections.Counter()

    def change(unit):
        """By how much the unit takes its strata further from their shares, in squares."""
        return sum(
            count * (count + 2 * (reached[label] - shares[label])) / shares[label] ** 2
            for label, count in counts[unit].items()
        )

    def fits(unit):
        """Whether each of its strata keeps images for the training."""
        return all(
            label in shares and reached[label] + count < totals[label]
            for label, count in counts[unit].items()
        )

    def choose(unit):
        chosen.add(unit)
        reached.update(counts[unit])

    drawn = sorted(counts, key=lambda unit: hashlib.sha256(f"{seed}/{unit}".encode()).digest())
    for unit in drawn:
        if fits(unit) and change(unit) < 0:
            choose(unit)
    for label in sorted(shares):
        if not reached[label]:
            fitting = [unit for unit in drawn if label in counts[unit] and fits(unit)]
            if fitting:
                choose(min(fitting, key=change))
    set_aside = [index for index, unit in enumerate(units) if unit in chosen]
    return [index for index, unit in enumerate(units) if unit not in chosen], set_aside


def fold_of(labels, units, fold, seed):
    """The indices of all rows but those of a fold, and of those of the fold.

    Args:
        labels: of the rows.
        units: rows with equal ones stay together.
        fold: `(index, number)`.
        seed: of the division.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    index, number = fold
    if len(set(units)) < number:
        raise ValueError(
            f"There are {len(set(units))} examples or groups, too few for {number} folds."
        )
    most = max(collections.Counter(labels).values())
    if most < number:
        raise ValueError(
            f"The largest class has {most} examples, too few for {number} folds: take fewer."
        )
    splitter = StratifiedGroupKFold(number, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return list(splitter.split(labels, labels, units))[index]


def units_of(digests, pairs, groups):
    """For each image a string, equal for those that must stay on one side of a split.

    Args:
        digests: of the images; equal ones stay together.
        pairs: of digests that stay together.
        groups: the group of each image, or None.
    """
    parents: dict = {}

    def root(name):
        while parents.setdefault(name, name) != name:
            parents[name] = name = parents[parents[name]]
        return name

    # A space comes before the digits: a group keeps its name, whatever its images.
    named = [
        (digest, f" {group}")
        for digest, group in zip(digests, groups, strict=True)
        if group is not None
    ]
    for pair in [*pairs, *named]:
        first, other = sorted(map(root, pair))
        parents[other] = first
    return [root(digest) for digest in digests]


def groups_of(paths, group, directory):
    """The group of each path as a string, None for one without.

    Args:
        paths: of the images.
        group: a function of a path, or a mapping from paths, absolute or relative to the
            directory; or None.
        directory: a path.
    """
    if group is None:
        return [None] * len(paths)
    if callable(group):
        found = [group(path) for path in paths]
    elif isinstance(group, collections.abc.Mapping):
        by_path = {
            os.path.realpath(os.path.join(directory, path)): name
            for path, name in group.items()
        }
        found = [by_path.get(os.path.realpath(path)) for path in paths]
    else:
        raise ValueError(
            "`group` must be a function from the path of an image to its group, or a mapping. "
            f"Received: group={group!r}"
        )
    if all(name in (None, "") for name in found):
        raise ValueError(
            "`group` must give the group of at least one image; a mapping has paths that are "
            f"absolute or relative to the data. An image: {next(iter(paths), None)!r}. "
            "Received: no group for any image"
        )
    return [None if name in (None, "") else str(name) for name in found]
