"""Whether the probabilities can be believed."""


def trust(results):
    """The section, or None without predictions.

    Args:
        results: `RunResults`.
    """
    return None
