"""What is asked before a training: which network, how much of it, whether data are sound."""

from keras_transfer.selection.audit import Audit, audit
from keras_transfer.selection.audit_figure import plot_audit
from keras_transfer.selection.audited_set import features_in_order
from keras_transfer.selection.candidate_score import CandidateScore
from keras_transfer.selection.check_negative_transfer import check_negative_transfer
from keras_transfer.selection.cka import linear_cka
from keras_transfer.selection.confounds import Confounds, Shortcut, confounds
from keras_transfer.selection.domain_shift import DomainShift, domain_shift
from keras_transfer.selection.duplicate_pair import DuplicatePair
from keras_transfer.selection.finding import Finding
from keras_transfer.selection.group_accuracy import GroupAccuracy, group_accuracy
from keras_transfer.selection.groups_from_csv import groups_from_csv
from keras_transfer.selection.h_score import h_score
from keras_transfer.selection.imbalance import Imbalance, imbalance
from keras_transfer.selection.intervals import (
    bootstrap_interval,
    paired_interval,
    wilson_interval,
)
from keras_transfer.selection.intrinsic_dimension import intrinsic_dimension
from keras_transfer.selection.label_errors import LabelError, LabelErrors, label_errors
from keras_transfer.selection.layer_probes import LayerProbes, StageProbe
from keras_transfer.selection.leep import leep, nce
from keras_transfer.selection.likeness import Likeness, measure_likeness
from keras_transfer.selection.linear_probe import ProbeResult, cross_validate
from keras_transfer.selection.logme import logme
from keras_transfer.selection.near_duplicates import NearDuplicates, near_duplicates
from keras_transfer.selection.negative_transfer import NegativeTransfer
from keras_transfer.selection.picture_statistics import picture_statistics
from keras_transfer.selection.pooled_features import (
    PooledFeatures,
    pooled_features,
    stage_features,
)
from keras_transfer.selection.probe_layers import probe_layers
from keras_transfer.selection.probes_figure import plot_probes
from keras_transfer.selection.rank_backbones import rank_backbones
from keras_transfer.selection.ranking import Ranking
from keras_transfer.selection.ranking_figure import plot_ranking
from keras_transfer.selection.recommend import recommend
from keras_transfer.selection.recommendation import Recommendation
from keras_transfer.selection.recommendation_figure import plot_recommendation
from keras_transfer.selection.source_classifier import source_classifier
from keras_transfer.selection.statistics_distance import statistics_distance
from keras_transfer.selection.truncation import Truncation

__all__ = [
    "Audit",
    "CandidateScore",
    "Confounds",
    "DomainShift",
    "DuplicatePair",
    "Finding",
    "GroupAccuracy",
    "Imbalance",
    "LabelError",
    "LabelErrors",
    "LayerProbes",
    "Likeness",
    "NearDuplicates",
    "NegativeTransfer",
    "PooledFeatures",
    "ProbeResult",
    "Ranking",
    "Recommendation",
    "Shortcut",
    "StageProbe",
    "Truncation",
    "audit",
    "bootstrap_interval",
    "check_negative_transfer",
    "confounds",
    "cross_validate",
    "domain_shift",
    "features_in_order",
    "group_accuracy",
    "groups_from_csv",
    "h_score",
    "imbalance",
    "intrinsic_dimension",
    "label_errors",
    "leep",
    "linear_cka",
    "logme",
    "measure_likeness",
    "nce",
    "near_duplicates",
    "paired_interval",
    "picture_statistics",
    "plot_audit",
    "plot_probes",
    "plot_ranking",
    "plot_recommendation",
    "pooled_features",
    "probe_layers",
    "rank_backbones",
    "recommend",
    "source_classifier",
    "stage_features",
    "statistics_distance",
    "wilson_interval",
]
