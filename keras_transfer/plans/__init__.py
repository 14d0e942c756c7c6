"""What is trained, in which order, for how long, and why."""

from keras_transfer.plans.chooser import default_plan
from keras_transfer.plans.costs import Costs, measure_costs
from keras_transfer.plans.likeness import Likeness, measure_likeness
from keras_transfer.plans.plan import Phase, Plan
from keras_transfer.plans.recommendation import Recommendation
from keras_transfer.plans.recommendation_figure import plot_recommendation
from keras_transfer.plans.recommender import recommend
from keras_transfer.plans.source_distance import statistics_distance

__all__ = [
    "Costs",
    "Likeness",
    "Phase",
    "Plan",
    "Recommendation",
    "default_plan",
    "measure_costs",
    "measure_likeness",
    "plot_recommendation",
    "recommend",
    "statistics_distance",
]
