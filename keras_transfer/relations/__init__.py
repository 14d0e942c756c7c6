"""What classes have to do with each other: hierarchies, related classes, better mistakes."""

from keras_transfer.relations.costs import MistakeDistance, least_cost, mistake_distance
from keras_transfer.relations.head_start import HeadStart, imagenet_ids, start_head
from keras_transfer.relations.hierarchies import Hierarchy

__all__ = [
    "HeadStart",
    "Hierarchy",
    "MistakeDistance",
    "imagenet_ids",
    "least_cost",
    "mistake_distance",
    "start_head",
]
