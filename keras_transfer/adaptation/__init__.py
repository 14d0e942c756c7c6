"""Adapting a model to images of another domain, without their labels."""

from keras_transfer.adaptation.discrepancies import (
    Correlation,
    DomainAdversary,
    JointDiscrepancy,
)
from keras_transfer.adaptation.importance import importance_weights
from keras_transfer.adaptation.label_free_scores import (
    AccuracyEstimate,
    estimate_accuracy,
    score,
)
from keras_transfer.adaptation.own_statistics import OwnStatistics
from keras_transfer.adaptation.target_losses import (
    InformationMaximization,
    MinimumClassConfusion,
    PseudoLabels,
)

__all__ = [
    "AccuracyEstimate",
    "Correlation",
    "DomainAdversary",
    "InformationMaximization",
    "JointDiscrepancy",
    "MinimumClassConfusion",
    "OwnStatistics",
    "PseudoLabels",
    "estimate_accuracy",
    "importance_weights",
    "score",
]
