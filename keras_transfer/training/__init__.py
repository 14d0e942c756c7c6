"""Training by a plan."""

from keras_transfer._preemption import Preempted
from keras_transfer.training.exact_head import solve_head
from keras_transfer.training.fine_tuning import fine_tune
from keras_transfer.training.learning_rate_finder import find_learning_rate
from keras_transfer.training.learning_rate_range import plot_learning_rates

__all__ = [
    "Preempted",
    "find_learning_rate",
    "fine_tune",
    "plot_learning_rates",
    "solve_head",
]
