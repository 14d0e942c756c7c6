"""What is trained, in which order, for how long, and why."""

from keras_transfer.plans.chooser import choose_plan
from keras_transfer.plans.costs import Costs, measure_costs
from keras_transfer.plans.likeness import Likeness, measure_likeness
from keras_transfer.plans.plan import Phase, Plan
from keras_transfer.plans.recommender import Recommendation, plot_recommendation, recommend

__all__ = [
    "Costs",
    "Likeness",
    "Phase",
    "Plan",
    "Recommendation",
    "choose_plan",
    "measure_costs",
    "measure_likeness",
    "plot_recommendation",
    "recommend",
]
