"""Ratios and differences over several data sets."""

import dataclasses
import statistics

from benchmarks import acceptance, summary

_SUITE = "accuracy"


@dataclasses.dataclass(frozen=True)
class Mean:
    """The mean of a comparison over data sets.

    Attributes:
        network: the network, or "all networks" for the mean over these, too.
        comparison: what is compared.
        values: the median of each data set and network.
    """

    network: str
    comparison: acceptance.Comparison
    values: tuple

    @property
    def mean(self):
        """The arithmetic mean of the medians."""
        return statistics.fmean(self.values)


def of_groups(groups):
    """The means of all comparisons of trainings that were measured on several data sets.

    Args:
        groups: what `results.grouped` returned.

    Returns:
        A list of `Mean`.
    """
    by_network = {}
    for (suite, group, quick), rows in groups.items():
        if suite == _SUITE and not quick:
            by_network.setdefault(dict(group).get("network", ""), []).append(rows)
    everything = [rows for found in by_network.values() for rows in found]
    if len(by_network) > 1:
        by_network["all networks"] = everything
    means = [
        Mean(network, comparison, tuple(_medians(comparison, found)))
        for network, found in by_network.items()
        for comparison in acceptance.COMPARISONS
        if comparison.suite == _SUITE
    ]
    return [mean for mean in means if len(mean.values) > 1]


def _medians(comparison, groups):
    for rows in groups:
        spread = summary.spread(
            comparison.of(rows.get(comparison.row, []), rows.get(comparison.against, []))
        )
        if spread is not None:
            yield spread.median
