"""What is asked before a training: which network, how much of it, whether data are sound."""

from keras_transfer.selection.cka import linear_cka
from keras_transfer.selection.domain_shift import DomainShift, domain_shift
from keras_transfer.selection.duplicate_pair import DuplicatePair
from keras_transfer.selection.h_score import h_score
from keras_transfer.selection.intervals import bootstrap_interval
from keras_transfer.selection.intrinsic_dimension import intrinsic_dimension
from keras_transfer.selection.leep import leep, nce
from keras_transfer.selection.linear_probe import ProbeResult, cross_validate
from keras_transfer.selection.logme import logme
from keras_transfer.selection.near_duplicates import NearDuplicates, near_duplicates
from keras_transfer.selection.pooled_features import (
    PooledFeatures,
    pooled_features,
    stage_features,
)

__all__ = [
    "DomainShift",
    "DuplicatePair",
    "NearDuplicates",
    "PooledFeatures",
    "ProbeResult",
    "bootstrap_interval",
    "cross_validate",
    "domain_shift",
    "h_score",
    "intrinsic_dimension",
    "leep",
    "linear_cka",
    "logme",
    "nce",
    "near_duplicates",
    "pooled_features",
    "stage_features",
]
