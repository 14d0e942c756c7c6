"""The category of every warning about the data."""


class DataWarning(UserWarning):
    """Something about the pictures or their labels deserves a look before training.

    Python's own filters silence it or turn it into an error.

    Example:
        >>> import warnings
        >>> from keras_transfer import data
        >>> warnings.simplefilter("ignore", data.DataWarning)
    """
