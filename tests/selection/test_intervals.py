import numpy as np
import pytest
from scipy import stats

from keras_transfer.selection import wilson_interval


def test_share_s_interval_is_wilsons():
    # Wilson 1927: its ends are where (p - q)^2 = z^2 q (1 - q) / n
    for hits, size in [(0, 5), (3, 4), (50, 50), (7, 90)]:
        for end in wilson_interval(hits, size, level=0.9):
            square = stats.norm.ppf(0.95) ** 2 * end * (1 - end) / size
            np.testing.assert_allclose((hits / size - end) ** 2, square, atol=1e-12)


@pytest.mark.parametrize("arguments", [(3, 2), (-1, 2), (0, 0), (1, 2, 1.0)])
def test_what_is_no_share_is_refused(arguments):
    with pytest.raises(ValueError, match="Received: hits="):
        wilson_interval(*arguments)
