import builtins
import json
from functools import partial

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from keras_transfer.auditing import duplicates, near_duplicates
from keras_transfer.auditing.thumbnails import detail_correlation, perceptual_hashes
from keras_transfer.data.thumbnails import thumbnails
from tests.photographs import compressed, drawing, made_up


def cropped(image, left, top, right, bottom):
    width, height = image.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return image.crop(tuple(map(round, box)))


COPIES = {
    "resized": (lambda image: image.resize((50, 40)), "same image"),
    "compressed": (compressed, "same image"),
    "mirrored": (ImageOps.mirror, "mirrored"),
    "cropped at each side": (lambda i: cropped(i, 0.05, 0.05, 0.05, 0.05), "same image"),
    "cropped at a corner": (lambda i: cropped(i, 0.05, 0.05, 0, 0), "same image"),
    "cropped by little": (lambda i: cropped(i, 0.03, 0, 0, 0.01), "same image"),
    "grey": (lambda image: image.convert("L").convert("RGB"), "same image"),
    "darker": (lambda image: ImageEnhance.Brightness(image).enhance(0.8), "same image"),
    "all of it": (
        lambda i: compressed(ImageOps.mirror(cropped(i, 0.04, 0, 0.02, 0.05)).resize((70, 60))),
        "mirrored",
    ),
}
OTHERS = [np.asarray(made_up(seed)) for seed in range(12)]


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_found_and_nothing_else(kind):
    change, evidence = COPIES[kind]
    images = [*OTHERS, *(np.asarray(change(made_up(seed))) for seed in (3, 7))]
    found = near_duplicates(images)
    assert {(pair.first, pair.second) for pair in found.pairs} == {(3, 12), (7, 13)}
    assert {pair.evidence for pair in found.pairs} == {evidence}
    assert found.clusters == ((3, 12), (7, 13))
    assert found.num_images == 14


DRAWINGS = [np.asarray(drawing(seed)) for seed in range(14)]


@pytest.mark.parametrize("width", [4, 8, 12])
def test_drawings_of_the_same_kind_are_no_copies(width):
    drawings = [np.asarray(drawing(seed, width=width)) for seed in range(14)]
    alike = [
        detail_correlation(*thumbnails([one, other])[0]) >= 0.95
        for number, one in enumerate(drawings)
        for other in drawings[:number]
    ]
    assert any(alike), "their thumbnails alone would be taken for copies"
    assert near_duplicates(drawings).pairs == ()


@pytest.mark.parametrize("kind", sorted(COPIES.keys() - {"grey"}))  # they are grey already
def test_copies_of_a_drawing_are_found(kind):
    change, evidence = COPIES[kind]
    if kind == "resized":  # at 40 pixels two drawings are the same
        change = partial(Image.Image.resize, size=(100, 66))
    copies = [np.asarray(change(drawing(seed))) for seed in (3, 7)]
    found = near_duplicates([*DRAWINGS, *copies])
    assert {(pair.first, pair.second) for pair in found.pairs} == {(3, 14), (7, 15)}
    assert {pair.evidence for pair in found.pairs} == {evidence}


def test_photographs_of_objects_on_white_are_confirmed_too(tmp_path):
    def on_white(seed):
        image = Image.new("RGB", (240, 200), "white")
        image.paste(made_up(seed), (60, 52))
        return image

    images = [on_white(seed) for seed in range(6)]
    paths = [tmp_path / f"{number}.png" for number in range(7)]
    for path, image in zip(paths, [*images, compressed(images[2])], strict=True):
        image.save(path)
    (pair,) = near_duplicates(paths).pairs
    assert (pair.first, pair.second) == (2, 6)


def test_the_number_of_copies_is_one_number():
    found = near_duplicates([OTHERS[0]] * 3 + [OTHERS[1]] * 2 + OTHERS[2:4])
    assert found.num_copies == 3  # two of the first and one of the second; four pairs
    assert found.to_json()["num_copies"] == 3
    assert "Copies among 7 images: 3." in found.conclusion


def test_equal_files_are_found_by_their_bytes(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, seed in zip(paths, (0, 1, 0), strict=True):
        made_up(seed).save(path)
    (pair,) = near_duplicates(paths).pairs
    assert (pair.first, pair.second, pair.evidence) == (0, 2, "same file")
    assert pair.names == (str(paths[0]), str(paths[2]))


def test_files_and_their_pixels_give_the_same(tmp_path):
    image = compressed(made_up(0))
    image.save(tmp_path / "a.png")
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.transpose(Image.Transpose.ROTATE_180).save(tmp_path / "b.png", exif=exif)
    files, _ = thumbnails([tmp_path / "a.png", tmp_path / "b.png", np.asarray(image)])
    np.testing.assert_array_equal(files[0], files[1])
    np.testing.assert_array_equal(files[0], files[2])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16"])
def test_every_mode_becomes_grey(tmp_path, mode):
    grey = np.linspace(0, 255, 32 * 32).reshape(32, 32).astype("uint8")
    if mode == "I;16":
        image = Image.fromarray(grey.astype("uint16") * 257)
    else:
        image = Image.fromarray(grey).convert(mode)
    image.save(tmp_path / "a.png")
    (small,), _ = thumbnails([tmp_path / "a.png"])
    assert small.dtype == np.uint8
    assert small[-8:].mean() > 200 > 60 > small[:8].mean()


def test_transparent_pixels_lie_on_white(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert thumbnails([tmp_path / "a.png"])[0].min() == 255


def test_clusters_join_all_copies_of_an_image():
    first = made_up(0)
    copies = [first, *(COPIES[kind][0](first) for kind in ("resized", "mirrored", "grey"))]
    found = near_duplicates([*map(np.asarray, copies), *OTHERS[1:4]])
    assert found.clusters == ((0, 1, 2, 3),)


def test_pairs_across_splits_come_first_and_contradictions_are_counted():
    images = [OTHERS[0], OTHERS[0], OTHERS[1], np.asarray(compressed(made_up(1)))]
    splits, labels = ["train", "train", "train", "test"], [0, 1, 2, 2]
    found = near_duplicates(images, splits=splits, labels=labels)
    assert [(pair.first, pair.second) for pair in found.pairs] == [(2, 3), (0, 1)]
    assert [pair.first for pair in found.across_splits] == [2]
    assert [pair.first for pair in found.contradictions] == [0]
    content = json.loads(json.dumps(found.to_json()))
    assert content["pairs"][0]["splits"] == ["train", "test"]
    assert content["clusters"] == [[0, 1], [2, 3]]


def test_labels_of_numpy_go_into_json():
    found = near_duplicates([OTHERS[0]] * 2, splits=np.array(["a", "b"]), labels=np.arange(2))
    content = json.loads(json.dumps(found.to_json()))["pairs"][0]
    assert (content["splits"], content["labels"]) == (["a", "b"], [0, 1])


def test_arrays_of_another_shape_are_not_the_same_file():
    blank = [np.zeros(shape, "uint8") for shape in ((10, 20, 3), (20, 10, 3))]
    _, (first, second) = thumbnails(blank)
    assert first != second


def test_features_find_no_pair_by_themselves():
    assert near_duplicates(OTHERS, np.ones((12, 5), "float32")).pairs == ()


def test_features_propose_pairs_that_hashes_miss(monkeypatch):
    monkeypatch.setattr(duplicates, "_RADIUS", -1)
    images = [*OTHERS, np.asarray(cropped(made_up(2), 0.05, 0, 0.02, 0.05))]
    features = np.eye(13)[[*range(12), 2]]
    assert near_duplicates(images).pairs == ()
    assert len(near_duplicates(images, features).pairs) == 1


def test_blocks_miss_no_pair(monkeypatch):
    monkeypatch.setattr(duplicates, "_BLOCK", 4)
    monkeypatch.setattr(duplicates, "_PAIRS", 2)
    images = [np.asarray(made_up(seed % 7)) for seed in range(14)]
    small, _ = thumbnails(images)
    expected = {(seed, seed + 7) for seed in range(7)}
    pairs = duplicates.candidate_pairs(small)
    found = {(first, second) for first, second, is_mirrored, *_ in pairs if not is_mirrored}
    assert found == expected


def test_a_hash_product_is_the_number_of_differing_bits():
    small, _ = thumbnails(OTHERS[:2])
    one, other = (perceptual_hashes(image)[0] for image in small)
    assert (64 - one @ other) / 2 == (one != other).sum()


def test_blank_images_are_not_copies_of_each_other():
    blank = [np.full((20, 20, 3), value, "uint8") for value in (0, 100, 255)]
    assert near_duplicates(blank).pairs == ()
    assert detail_correlation(*thumbnails(blank[:2])[0]) == 0.0


@pytest.mark.parametrize("number", [0, 1])
def test_fewer_than_two_images_have_no_copies(number):
    found = near_duplicates(OTHERS[:number])
    assert (found.pairs, found.clusters, found.num_images) == ((), (), number)


@pytest.mark.parametrize("argument", ["features", "splits", "labels"])
def test_rows_belong_to_images(argument):
    with pytest.raises(ValueError, match=rf"`{argument}` must have one row.*Received: 3 for 2"):
        near_duplicates(OTHERS[:2], **{argument: np.zeros((3, 1))})


def test_without_imagehash_the_package_is_named(monkeypatch):
    real = builtins.__import__

    def refuse(name, *others, **more):
        if name == "imagehash":
            raise ImportError(name)
        return real(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match="pip install imagehash"):
        near_duplicates(OTHERS[:2])


def test_pairs_are_the_same_whatever_the_blocks(monkeypatch):
    changed = [change(made_up(seed)) for seed, (change, _) in enumerate(COPIES.values())]
    images = [*OTHERS, *map(np.asarray, changed)]
    features = np.eye(len(images), dtype="float32")
    whole = near_duplicates(images, features)
    monkeypatch.setattr(duplicates, "_BLOCK", 5)
    monkeypatch.setattr(duplicates, "_COLUMNS", 4)
    assert near_duplicates(images, features).pairs == whole.pairs
    assert len(whole.clusters) == len(COPIES)


def test_of_very_many_images_whole_copies_are_found(monkeypatch):
    monkeypatch.setattr(duplicates, "_MOST_WITH_CROPS", 5)
    images = [
        *OTHERS,
        np.asarray(made_up(3).resize((50, 40))),
        np.asarray(compressed(made_up(7))),
    ]
    assert near_duplicates(images).clusters == ((3, 12), (7, 13))
