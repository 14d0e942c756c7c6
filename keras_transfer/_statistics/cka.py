"""How alike two representations are."""

import numpy as np


def linear_cka(first, second):
    """Linear centered kernel alignment of two representations of the same pictures.

    It is 1 for representations that a rotation and one scale turn into each other, and 0 for
    features without any correlation. It is the plain estimate, which is biased upwards where
    there are fewer pictures than features.

    Args:
        first: an array of shape `(pictures, features)`.
        second: an array of shape `(pictures, other features)`, with the same pictures in the
            same order.

    Returns:
        A float in [0, 1]; 0 where one of them is constant.

    Raises:
        ValueError: if they are not two matrices with a row for each picture.

    Reference: Kornblith et al., Similarity of Neural Network Representations Revisited, ICML
    2019, equation 4 with linear kernels.
    """
    shapes = np.shape(first), np.shape(second)
    if [len(shape) for shape in shapes] != [2, 2] or shapes[0][0] != shapes[1][0]:
        raise ValueError(
            "`first` and `second` must be matrices with a row for each picture. "
            f"Received: shapes {shapes[0]} and {shapes[1]}"
        )
    first, second = (_centered(rows) for rows in (first, second))
    scale = _norm_of_products(first, first) * _norm_of_products(second, second)
    return _norm_of_products(first, second) ** 2 / scale if scale else 0.0


def _centered(rows):
    rows = np.asarray(rows, "float64")
    rows = rows - rows.mean(axis=0)
    # The squares of squares below would overflow or vanish; the scale does not matter.
    largest = np.abs(rows).max(initial=0.0)
    return rows / largest if largest else rows


def _norm_of_products(first, second):
    """The Frobenius norm of `firstᵀ second`, by whichever product is the smaller one."""
    num_pictures = len(first)
    if first.shape[1] * second.shape[1] <= num_pictures**2:
        return np.linalg.norm(first.T @ second)
    return np.sqrt(max(np.sum((first @ first.T) * (second @ second.T)), 0.0))
