"""What runs a stem over pictures."""

import abc


class EngineError(ValueError):
    """An engine cannot run a network, or computes something else."""


class Engine(abc.ABC):
    """Runs a frozen network over batches of pictures as fast as the machine allows.

    To add one, write a subclass with a `name` and these two methods, and name it in
    `engines.py`.

    Attributes:
        name: what it is called in `FeatureCache(engine=...)` and in a cache's key.
    """

    name: str

    @classmethod
    @abc.abstractmethod
    def is_available(cls):
        """Whether what it needs is installed."""

    @abc.abstractmethod
    def compile(self, stem):
        """Prepares a network.

        Args:
            stem: a functional `keras.Model` with one input and one output tensor.

        Returns:
            A function from an iterator of float32 or uint8 arrays of shape `(pictures, height,
            width, channels)` to an iterator of arrays of shape `(pictures, ...)`, in the same
            order. It may read a few batches ahead.

        Raises:
            EngineError: if the engine cannot run this network.
        """
