"""Which network to start from, and how much of it to keep."""

from keras_transfer.transferability.backbone_ranking import rank_backbones
from keras_transfer.transferability.candidate_score import CandidateScore
from keras_transfer.transferability.intrinsic_dimensions import intrinsic_dimension
from keras_transfer.transferability.layer_prober import probe_layers
from keras_transfer.transferability.layer_probes import LayerProbes, StageProbe
from keras_transfer.transferability.leep_scores import leep, nce
from keras_transfer.transferability.logme_scores import logme
from keras_transfer.transferability.negative_transfer import NegativeTransfer
from keras_transfer.transferability.probes_figure import plot_probes
from keras_transfer.transferability.ranking import Ranking
from keras_transfer.transferability.ranking_figure import plot_ranking
from keras_transfer.transferability.source_classifiers import source_classifier
from keras_transfer.transferability.transfer_check import check_negative_transfer
from keras_transfer.transferability.truncation import Truncation

__all__ = [
    "CandidateScore",
    "LayerProbes",
    "NegativeTransfer",
    "Ranking",
    "StageProbe",
    "Truncation",
    "check_negative_transfer",
    "intrinsic_dimension",
    "leep",
    "logme",
    "nce",
    "plot_probes",
    "plot_ranking",
    "probe_layers",
    "rank_backbones",
    "source_classifier",
]
