"""A run and its folder: fit, predict, evaluate, export, report."""

from keras_transfer.runs.fitting import fit
from keras_transfer.runs.folds import cross_validate
from keras_transfer.runs.run import Run

__all__ = [
    "Run",
    "cross_validate",
    "fit",
]
