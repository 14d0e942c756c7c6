"""A run and its folder: fit, predict, evaluate, export, report."""

from keras_transfer.runs.fitting import fit
from keras_transfer.runs.folder import Predictions
from keras_transfer.runs.run import PredictedImages, Run

__all__ = ["PredictedImages", "Predictions", "Run", "fit"]
