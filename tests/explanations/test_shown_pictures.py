import numpy as np
import pytest

from keras_transfer.explanations.shown_pictures import as_heat, as_relief, as_shown


def test_pictures_become_rgb_between_nothing_and_one():
    picture = np.array([[[0, 51, 255]]], "uint8")
    np.testing.assert_allclose(as_shown(picture), [[[0.0, 0.2, 1.0]]], rtol=1e-6)
    np.testing.assert_array_equal(as_shown(np.full((1, 1, 3), 300.0)), np.ones((1, 1, 3)))


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_are_averaged_to_grey(channels):
    picture = np.full((2, 2, channels), 51.0)
    np.testing.assert_allclose(as_shown(picture), np.full((2, 2, 3), 0.2), rtol=1e-6)


def test_heat_of_a_map_is_its_positive_part():
    np.testing.assert_array_equal(as_heat([[2.0, 4.0], [-8.0, 0.0]]), [[0.5, 1.0], [0.0, 0.0]])
    assert not as_heat(-np.ones((2, 2))).any()


def test_heat_of_attributions_adds_up_the_colours_without_regard_to_sign():
    values = np.zeros((4, 4, 3))
    values[0, 0], values[1, 1] = [1, -2, 3], [-3, 0, 0]
    heat = as_heat(values)
    assert heat[0, 0] == 1.0
    assert heat[1, 1] == pytest.approx(3 / np.percentile(np.abs(values).sum(-1), 99))
    assert heat.sum() == heat[0, 0] + heat[1, 1]
    assert not as_heat(np.zeros((2, 2, 3))).any()


def test_single_attribution_is_seen():
    values = np.zeros((20, 20, 3))  # the 99th percentile is 0
    values[3, 4] = 1.0
    assert as_heat(values)[3, 4] == 1.0


def test_relief_is_grey_where_nothing_is():
    relief = as_relief(np.array([[[0.0] * 3, [4.0] * 3, [-4.0] * 3]]))
    np.testing.assert_allclose(relief[0, :, 0], [0.5, 1.0, 0.0], atol=0.02)
    np.testing.assert_allclose(as_relief(np.zeros((2, 2, 3))), 0.5)
