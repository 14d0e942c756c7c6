"""Freeze policies: which layers of the backbone train."""

from keras_transfer.freezing.policies import (
    FreezeAll,
    FreezeNone,
    FreezePatterns,
    FreezeUpTo,
    UnfreezeLast,
)
from keras_transfer.freezing.policy import FreezePolicy

__all__ = [
    "FreezeAll",
    "FreezeNone",
    "FreezePatterns",
    "FreezePolicy",
    "FreezeUpTo",
    "UnfreezeLast",
]
