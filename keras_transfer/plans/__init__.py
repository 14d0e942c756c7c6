"""What is trained, in which order, for how long, and why."""

from keras_transfer.plans.chooser import choose_plan
from keras_transfer.plans.costs import measure_costs
from keras_transfer.plans.likeness import measure_likeness
from keras_transfer.plans.plan import Phase, Plan
from keras_transfer.plans.recommender import plot_recommendation, recommend

__all__ = [
    "Phase",
    "Plan",
    "choose_plan",
    "measure_costs",
    "measure_likeness",
    "plot_recommendation",
    "recommend",
]
