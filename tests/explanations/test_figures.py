import numpy as np
import pytest

from keras_transfer._figures import save_figure
from keras_transfer.explanations import most_exciting, plot_exciting, plot_explanations
from keras_transfer.explanations.figures import as_heat, as_relief, as_shown
from tests.networks import residual_backbone

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (2, 12, 16, 3))
SQUARE = RANDOM.uniform(0, 255, (5, 16, 16, 3)).astype("float32")
MAPS = {
    "Grad-CAM": RANDOM.uniform(0, 1, (2, 12, 16)),
    "integrated gradients": RANDOM.normal(size=(2, 12, 16, 3)),
    "nothing": np.zeros((2, 12, 16)),
}


@pytest.fixture(scope="module")
def exciting():
    return most_exciting(residual_backbone(), SQUARE, "add1", [0, 3], num_images=3)


def test_grid_grows_with_the_images_and_the_methods(tmp_path):
    titles = ["ants\n93% sure", "$bees$"]
    figure = plot_explanations(IMAGES, MAPS, titles)
    save_figure(figure, tmp_path / "all.png")
    *panels, scale = figure.axes
    assert [panel.get_title() for panel in panels] == ["", *MAPS, *[""] * 4]
    assert [panel.get_ylabel() for panel in panels[::4]] == titles
    assert scale.get_xlabel() == "attribution to the class", "what the colours mean"
    alone = plot_explanations(IMAGES[:1], MAPS["Grad-CAM"][:1])
    assert np.all(alone.get_size_inches() < figure.get_size_inches())


def test_images_without_colour_are_drawn():
    figure = plot_explanations(IMAGES[..., :1].astype("uint8"), MAPS["Grad-CAM"])
    assert len(figure.axes) == 4 + 1  # the scale


@pytest.mark.parametrize(
    "arguments",
    [
        {"images": IMAGES[:0], "maps": {}},
        {"maps": {"a": MAPS["Grad-CAM"][:1]}},
        {"maps": MAPS["Grad-CAM"][:1]},
        {"titles": ["one"]},
    ],
)
def test_counts_that_differ_are_refused(arguments):
    with pytest.raises(ValueError, match="a map and a title for each"):
        plot_explanations(**{"images": IMAGES, "maps": MAPS, **arguments})


def test_each_channel_has_two_rows(tmp_path, exciting):
    figure = plot_exciting(exciting)
    save_figure(figure, tmp_path / "two.png")
    labels = [panel.get_ylabel() for panel in figure.axes[::3]]
    assert labels == [
        "channel 0",
        "projection\n(grey: 0)",
        "channel 3",
        "projection\n(grey: 0)",
    ]
    assert all(panel.images for panel in figure.axes)


def test_channels_with_fewer_images_leave_room(exciting):
    few = most_exciting(residual_backbone(), SQUARE[:1], "add1", [0])
    figure = plot_exciting([*exciting, *few])
    assert [len(panel.images) for panel in figure.axes[-3:]] == [1, 0, 0]


def test_nothing_is_not_drawn():
    with pytest.raises(ValueError, match="nothing to draw"):
        plot_exciting([])


def test_images_become_rgb_between_0_and_1():
    image = np.array([[[0, 51, 255]]], "uint8")
    np.testing.assert_allclose(as_shown(image), [[[0.0, 0.2, 1.0]]], rtol=1e-6)
    np.testing.assert_array_equal(as_shown(np.full((1, 1, 3), 300.0)), np.ones((1, 1, 3)))


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_are_averaged_to_grey(channels):
    image = np.full((2, 2, channels), 51.0)
    np.testing.assert_allclose(as_shown(image), np.full((2, 2, 3), 0.2), rtol=1e-6)


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
