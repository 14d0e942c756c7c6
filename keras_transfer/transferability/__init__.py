"""Which backbone to start from, and how much of it to keep."""

from keras_transfer.transferability.clusters import cluster, plot_clusters
from keras_transfer.transferability.figures import plot_probes, plot_ranking
from keras_transfer.transferability.layer_probes import probe_layers
from keras_transfer.transferability.rankings import rank_backbones
from keras_transfer.transferability.sizes import probe_sizes
from keras_transfer.transferability.transfer_check import check_negative_transfer

__all__ = [
    "check_negative_transfer",
    "cluster",
    "plot_clusters",
    "plot_probes",
    "plot_ranking",
    "probe_layers",
    "probe_sizes",
    "rank_backbones",
]
