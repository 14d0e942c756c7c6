"""The plan and the verb."""

from keras_transfer.training.costs import Costs, measure_costs
from keras_transfer.training.default_plan import default_plan
from keras_transfer.training.exact_head import solve_head
from keras_transfer.training.find_learning_rate import find_learning_rate
from keras_transfer.training.fine_tune import fine_tune
from keras_transfer.training.learning_rate_figure import plot_learning_rates
from keras_transfer.training.learning_rate_range import LearningRateRange
from keras_transfer.training.plan import Phase, Plan
from keras_transfer.training.preemption import Preempted

__all__ = [
    "Costs",
    "LearningRateRange",
    "Phase",
    "Plan",
    "Preempted",
    "default_plan",
    "find_learning_rate",
    "fine_tune",
    "measure_costs",
    "plot_learning_rates",
    "solve_head",
]
