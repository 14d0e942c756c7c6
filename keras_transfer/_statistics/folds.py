"""Folds in which every class has its share."""

import warnings

import numpy as np


def stratified_folds(labels, num_folds, seed=None):
    """Divides pictures into those to fit on and those to test on, each tested on once.

    A class with fewer pictures than folds is left out of some folds: it does not make them
    fewer, for the other classes' sake.

    Args:
        labels: integers of shape `(pictures,)`, at least two of them equal.
        num_folds: how many folds; no more than the largest class has pictures, at least 2.
        seed: of the order in which pictures are drawn. Defaults to None, as they come.

    Returns:
        A list of `(train, held_out)`, arrays of the numbers of pictures.
    """
    # Slow to import, and few need it.
    from sklearn.model_selection import StratifiedKFold

    num_folds = max(2, min(num_folds, int(np.bincount(labels).max())))
    splitter = StratifiedKFold(num_folds, shuffle=seed is not None, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return list(splitter.split(labels, labels))
