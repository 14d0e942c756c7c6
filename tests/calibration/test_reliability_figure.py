import numpy as np
import pytest
from PIL import Image

from keras_transfer.calibration import measure_calibration, plot_reliability
from tests.calibration.made_up_answers import draw_answers


def test_several_are_drawn_beside_each_other(tmp_path):
    probabilities, labels = draw_answers(np.random.default_rng(0), 100, over=0.2)
    one = measure_calibration(probabilities, labels, num_draws=10)
    plot_reliability(one, tmp_path / "one.png")
    plot_reliability({"before": one, "after $5_": one}, tmp_path / "two.png")
    sizes = []
    for name in ("one", "two"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            sizes.append(picture.size)
    assert sizes[0][0] < sizes[1][0] and sizes[0][1] == sizes[1][1]


@pytest.mark.parametrize("given", [{}, 0.3, {"before": 0.3}])
def test_other_things_are_refused(tmp_path, given):
    with pytest.raises(ValueError, match="must be a `Calibration` or a dict"):
        plot_reliability(given, tmp_path / "none.png")
