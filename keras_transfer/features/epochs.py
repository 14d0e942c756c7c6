"""The order of the rows, epoch by epoch."""

import numpy as np


class Epochs:
    """Counts the passes over some rows, and draws each one's random numbers.

    Args:
        seed: non-negative integer; with the number of the epoch it decides all numbers.

    Attributes:
        seed: the same.
        begun: the number of passes that were begun. Setting it continues from there.
    """

    def __init__(self, seed):
        self.seed = seed
        self.begun = 0

    def next(self):
        """The random numbers of the next epoch."""
        self.begun += 1
        return np.random.default_rng([self.seed, self.begun])
