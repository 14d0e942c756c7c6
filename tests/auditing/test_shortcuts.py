import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_transfer import data
from keras_transfer.auditing import confounds
from keras_transfer.auditing.shortcuts import (
    FACTS,
    Confounds,
    Shortcut,
    border,
    corners,
    correct_by_facts,
    file_facts,
    masked,
)
from keras_transfer.features import FeatureCache
from keras_transfer.features.pooled import pooled_features
from tests.networks import residual_backbone
from tests.pictures import colour_folder

LABELS = np.arange(60) % 2


def noisy_images(place=None):
    """Grey noise; those of class 1 are lighter at a place."""
    images = np.random.default_rng(0).uniform(60, 140, (60, 16, 16, 3)).astype("float32")
    if place is not None:
        images[(LABELS == 1, *place)] = 255
    return images


def dataset(images):
    return tf.data.Dataset.from_tensor_slices((images, LABELS)).batch(16)


MIDDLE = slice(5, 11), slice(5, 11)
CORNER = slice(0, 3), slice(0, 3)
EDGE = slice(6, 10), slice(0, 2)


@pytest.mark.parametrize(
    ("place", "found"),
    [(None, set()), (MIDDLE, set()), (CORNER, {"border", "corners"}), (EDGE, {"border"})],
)
def test_a_mark_is_found_where_it_is(tmp_path, place, found):
    backbone, cache = residual_backbone(), FeatureCache(tmp_path)
    result = confounds(dataset(noisy_images(place)), backbone, cache)
    assert {shortcut.name for shortcut in result.shortcuts if shortcut.is_large} == found
    # What reaches to the border may be the subject.
    assert {shortcut.name for shortcut in result.large} == found - {"border"}
    assert result.chance == 0.5
    assert result.num_images == 60
    assert ("without the subject, from shortcuts" in result.conclusion) is ("corners" in found)
    assert (result.whole > 0.7) is (place is not None)
    for shortcut in result.found:
        low, high = shortcut.interval
        assert low <= shortcut.accuracy <= high
        assert shortcut.p_value < 0.05
    assert result.to_json()["chance"] == 0.5


@pytest.mark.parametrize(
    ("accuracy", "low", "large"),
    # Of whole images' 0.8 and chance's 0.5, a half is from 0.65 on.
    [(0.7, 0.66, True), (0.7, 0.64, False), (0.6, 0.55, False)],
)
def test_a_shortcut_is_large_where_that_is_sure(accuracy, low, large):
    shares = (accuracy - 0.5) / 0.3, (low - 0.5) / 0.3
    shortcut = Shortcut("corners", accuracy, (low, 0.8), 0.001, *shares, above_chance=True)
    assert shortcut.is_large is large
    found = Confounds(0.8, (0.75, 0.85), 0.5, (shortcut,), 100)
    assert found.large == ((shortcut,) if large else ())


def test_the_masks_are_the_frame_and_the_corners():
    assert border(16, 24).sum() == 16 * 24 - 12 * 18  # 2 rows and 3 columns at each side
    assert corners(20, 10).sum() == 4 * 4 * 2
    for part in (border, corners):
        np.testing.assert_array_equal(part(16, 24), part(16, 24)[::-1, ::-1])
        assert part(16, 24)[0, 0] and not part(16, 24)[8, 12]
        assert part(1, 1).all()


def test_masked_images_are_grey_elsewhere_and_found_again(tmp_path):
    photos = data.image_folder(colour_folder(tmp_path / "photos"), image_size=16)
    plain = photos.train_in_order
    hidden = masked(plain, border)
    for (images, labels), (whole, expected) in zip(hidden, plain, strict=True):
        kept = border(16, 16)
        np.testing.assert_array_equal(images.numpy()[:, kept], whole.numpy()[:, kept])
        assert (images.numpy()[:, ~kept] == 127.5).all()
        np.testing.assert_array_equal(labels, expected)
    cache, backbone = FeatureCache(tmp_path / "cache"), residual_backbone()
    first = pooled_features(backbone, hidden, cache)
    again = pooled_features(backbone, masked(plain, border), cache)
    other = pooled_features(backbone, masked(plain, corners), cache)
    assert [one.num_computed for one in (first, again, other)] == [18, 0, 18]
    np.testing.assert_array_equal(first.features, again.features)
    assert (first.features != other.features).any()


def test_datasets_of_images_alone_are_masked():
    (batch,) = masked(tf.data.Dataset.from_tensors(noisy_images()[:2]), corners)
    assert batch.shape == (2, 16, 16, 3)


def folder(directory, write):
    for label, name in enumerate(("ants", "bees")):
        (directory / name).mkdir(parents=True)
        for number in range(20):
            noise = np.random.default_rng(20 * label + number).uniform(0, 255, (32, 40, 3))
            write(Image.fromarray(noise.astype("uint8")), label, directory / name / str(number))
    paths = sorted(directory.rglob("*.*"))
    return paths, np.array([path.parent.name == "bees" for path in paths]).astype(int)


def smaller(image, label, path):
    image.resize((40 - 8 * label, 32)).save(f"{path}.png")


def grey(image, label, path):
    (image.convert("L") if label else image).save(f"{path}.png")


def darker(image, label, path):
    image.point(lambda value: value * (1 - 0.4 * label)).save(f"{path}.png")


def compressed(image, label, path):
    image.save(f"{path}.{('png', 'jpg')[label]}")


@pytest.mark.parametrize(
    ("write", "name"),
    [(smaller, "image size"), (grey, "colour"), (darker, "brightness"), (compressed, "file")],
)
def test_facts_about_files_are_found(tmp_path, write, name):
    paths, labels = folder(tmp_path, write)
    correct = correct_by_facts(file_facts(paths), labels)
    assert correct[name].mean() > 0.9
    if write is not smaller:
        assert "image size" not in correct  # all are equal


def test_files_are_shortcuts_beside_the_parts(tmp_path):
    paths, labels = folder(tmp_path / "photos", darker)
    images = tf.data.Dataset.from_tensor_slices((noisy_images()[:40], labels)).batch(16)
    result = confounds(images, residual_backbone(), FeatureCache(tmp_path / "cache"), paths)
    assert "brightness" in {shortcut.name for shortcut in result.found}
    assert {shortcut.name for shortcut in result.shortcuts} > {"border", "corners"}


def test_facts_are_of_the_file(tmp_path):
    Image.new("RGB", (30, 20), (200, 100, 50)).save(tmp_path / "a.png")
    (row,) = file_facts([tmp_path / "a.png"])
    values = dict(zip(sum(FACTS.values(), ()), row, strict=True))
    assert (values["width"], values["height"], values["aspect ratio"]) == (30, 20, 1.5)
    assert values["bytes"] == (tmp_path / "a.png").stat().st_size
    assert values["brightness"] == pytest.approx(350 / 3)
    assert (values["saturation"], values["grey"]) == (150, False)


def test_images_must_come_in_one_order(tmp_path):
    shuffled = dataset(noisy_images()).unbatch().shuffle(60).batch(16)
    with pytest.raises(ValueError, match="in the same order in each pass"):
        confounds(shuffled, residual_backbone(), FeatureCache(tmp_path))


def test_many_images_are_drawn_from(tmp_path):
    result = confounds(
        dataset(noisy_images()), residual_backbone(), FeatureCache(tmp_path), max_images=40
    )
    assert result.num_images == 40


@pytest.mark.parametrize("argument", ["paths", "features"])
def test_rows_belong_to_images(tmp_path, argument):
    with pytest.raises(
        ValueError, match=rf"`{argument}` must have one row.*Received: 3 for 60"
    ):
        confounds(
            dataset(noisy_images()), residual_backbone(), FeatureCache(tmp_path),
            **{argument: np.zeros((3, 1))},
        )  # fmt: skip
