import ast
import io
import os
import pathlib
import re
import shutil
import warnings

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_transfer import data
from keras_transfer.data.image_files import decode_with_pillow

pytestmark = pytest.mark.filterwarnings("ignore::keras_transfer.data.DataWarning")


def labels_of(dataset):
    return [int(label) for _, labels in dataset for label in labels]


def images_of(dataset):
    return np.concatenate([images.numpy() for images, _ in dataset])


def names_of(paths):
    return sorted(os.path.basename(path) for path in paths)


def test_batches_are_raw_images_and_integer_labels(folder):
    splits = data.image_folder(folder({"ants": 6, "bees": 4}), (16, 20), batch_size=4)
    images, labels = next(iter(splits.train))
    assert images.shape == (4, 16, 20, 3) and images.dtype == tf.float32
    assert labels.shape == (4,) and labels.dtype == tf.int32
    assert images.numpy().min() >= 0 and 100 < images.numpy().max() < 255.001
    assert splits.train.element_spec[0].shape == (None, 16, 20, 3)
    assert int(splits.train.cardinality()) == 2  # 8 of 10 images in batches of 4


def test_classes_are_split_alike(folder):
    splits = data.image_folder(folder({"ants": 10, "bees": 5}), 8)
    assert splits.class_names == ("ants", "bees")
    assert splits.class_counts == {
        "train": {"ants": 8, "bees": 4},
        "validation": {"ants": 2, "bees": 1},
    }
    assert splits.num_images == {"train": 12, "validation": 3}
    assert splits.train.num_images == 12
    assert splits.test is None
    assert splits.warnings == ()


def test_no_split_sets_nothing_aside(folder):
    splits = data.image_folder(folder({"ants": 3, "bees": 3}), 8, validation_split=None)
    assert splits.validation is None
    assert splits.num_images == {"train": 6}


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val"])
def test_folders_of_splits_are_taken_as_they_are(folder, validation):
    root = folder(
        {
            "train/ants": 3,
            "train/bees": 3,
            f"{validation}/ants": 1,
            f"{validation}/bees": 2,
            "test/ants": 2,
            "test/bees": 1,
        }
    )
    splits = data.image_folder(root, 8)
    assert splits.num_images == {"train": 6, "validation": 3, "test": 3}
    assert labels_of(splits.validation) == [0, 1, 1] == list(splits.labels["validation"])
    assert labels_of(splits.test) == [0, 0, 1]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("train2017", "test2017"),
        ("flowers-train", "flowers-test"),
        ("training_set/training_set", "test_set"),
    ],
)
def test_names_of_public_data_sets_are_splits(folder, train, test):
    root = folder(
        {f"{train}/ants": 4, f"{train}/bees": 4, f"{test}/ants": 2, f"{test}/bees": 1}
    )
    splits = data.image_folder(root, 8, validation_split=None)
    assert splits.class_names == ("ants", "bees")
    assert splits.num_images == {"train": 8, "test": 3}


def test_folders_that_all_hold_the_same_folders_are_no_classes(folder):
    root = folder({"first/ants": 2, "first/bees": 2, "second/ants": 2, "second/bees": 2})
    with pytest.raises(ValueError, match="If these are the classes, name the folders around"):
        data.image_folder(root, 8)


def test_folders_inside_classes_may_differ(folder):
    root = folder({"ants/red": 2, "ants/black": 2, "bees/black": 3})
    assert data.image_folder(root, 8, validation_split=None).num_images == {"train": 7}


@pytest.mark.parametrize("suffix", [".ppm", ".PGM", ""])
def test_portable_pixmaps_and_files_without_a_suffix_are_read(folder, make_image, suffix):
    root = folder({"ants": 3, "bees": 3})
    for number in range(2):
        image = make_image(seed=number)
        image = image.convert("L") if suffix == ".PGM" else image
        image.save(root / "ants" / f"more{number}{suffix}", "PPM" if suffix else "PNG")
    (root / "ants" / "README").write_text("notes")
    splits = data.image_folder(root, 8, validation_split=None)
    assert splits.num_images == {"train": 8}
    assert np.isfinite(images_of(splits.train)).all()


def test_medical_and_raw_formats_are_reported(folder):
    root = folder({"ants": 3, "bees": 3})
    (root / "ants" / "scan.dcm").write_bytes(b"DICM")
    with pytest.raises(ValueError, match=r"scan.dcm: .dcm is not supported"):
        data.image_folder(root, 8)


def test_links_to_folders_are_followed_once_and_thumbnails_of_servers_are_not_images(folder):
    root = folder({"ants": 3, "bees": 3, "ants/@eaDir": 4})
    elsewhere = folder({"more": 5}, name="elsewhere")
    (root / "bees" / "linked").symlink_to(elsewhere / "more")
    (root / "bees" / "again").symlink_to(elsewhere / "more")
    (root / "bees" / "loop").symlink_to(root / "bees")
    splits = data.image_folder(root, 8, validation_split=None)
    assert splits.num_images == {"train": 11}  # 3 ants, 3 + 5 bees


def test_a_missing_validation_folder_is_split_off_train(folder):
    root = folder({"train/ants": 5, "train/bees": 5, "test/ants": 1, "test/bees": 1})
    assert data.image_folder(root, 8).num_images == {"train": 8, "validation": 2, "test": 2}


def test_train_may_be_a_class(folder):
    splits = data.image_folder(folder({"bus": 4, "train": 4, "test": 4}), 8)
    assert splits.class_names == ("bus", "test", "train")


def test_order_and_names_of_files_do_not_change_the_split(folder):
    first = folder({"ants": 8, "bees": 8})
    second = first.parent / "renamed"
    shutil.copytree(first, second)
    for path in list(second.glob("*/*.jpg")):
        path.rename(path.with_name(f"{99 - int(path.stem)}.jpg"))
    images = [images_of(data.image_folder(root, 8).validation) for root in (first, second)]
    keys = [sorted(image.tobytes() for image in split) for split in images]
    assert keys[0] == keys[1]


def test_paths_and_labels_belong_to_the_elements(folder):
    splits = data.image_folder(folder({"ants": 5, "bees": 5}, suffix=".png"), (24, 32))
    for split, dataset in (("train", splits.train_in_order), ("validation", splits.validation)):
        assert labels_of(dataset) == list(splits.labels[split])
        for image, path in zip(images_of(dataset), splits.paths[split], strict=True):
            np.testing.assert_allclose(image, decode_with_pillow(path)[0], atol=1e-3)


def test_equal_seeds_give_equal_batches_and_epochs_differ(folder):
    root = folder({"ants": 10, "bees": 10})

    def epochs(seed):
        train = data.image_folder(root, 8, batch_size=4, seed=seed).train
        return [images_of(train) for _ in range(2)]

    first, again, other = epochs(3), epochs(3), epochs(4)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first[0] - first[1]).max() > 1
    assert np.abs(first[0] - other[0]).max() > 1


def test_without_shuffling_every_epoch_is_in_order(folder):
    splits = data.image_folder(folder({"ants": 4, "bees": 4}), 8, shuffle=False)
    assert labels_of(splits.train) == list(splits.labels["train"]) == [0, 0, 0, 1, 1, 1]


def test_class_names_survive_map(folder):
    train = data.image_folder(folder({"ants": 3, "bees": 3}), 8).train
    assert train.map(lambda image, label: (image / 255, label)).class_names == ("ants", "bees")


def test_names_of_classes_are_left_untouched(folder):
    names = ("<b>ü & co", "{x} %s", "日本", "a b", "-1")
    splits = data.image_folder(folder(dict.fromkeys(names, 2)), 8)
    assert splits.class_names == tuple(sorted(names))
    assert images_of(splits.train).shape[0] == 5


def test_grey_images_have_one_channel(folder):
    splits = data.image_folder(folder({"a": 2, "b": 2}), 8, color_mode="grayscale")
    assert next(iter(splits.train))[0].shape[1:] == (8, 8, 1)


def test_unusual_files_are_read(folder, make_image):
    root = folder({"ants": 2, "bees": 2})
    glass = make_image(1)
    glass.putalpha(128)
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.arange(768, dtype="uint16").reshape(24, 32) * 85)
    written = {
        "grey.jpg": (make_image(2, mode="L"), {}),
        "cmyk.jpeg": (make_image(3, mode="CMYK"), {}),
        "palette.png": (make_image(4, mode="P"), {}),
        "bits.png": (make_image(5, mode="1"), {}),
        "glass.png": (glass, {}),
        "glass.webp": (glass, {"lossless": True}),
        "deep.png": (deep, {}),
        "plain.BMP": (make_image(6), {}),
        "palette.bmp": (make_image(6, mode="P"), {}),
        "plain.webp": (make_image(7), {"lossless": True}),
        "moving.gif": (make_image(8), {"save_all": True, "append_images": [make_image(9)]}),
        "turned.jpg": (make_image(10, size=(32, 24)), {"exif": exif.tobytes()}),
        "progressive.jfif": (make_image(11), {"progressive": True}),
    }
    for name, (image, arguments) in written.items():
        image.save(root / "bees" / name, **arguments)
    (root / "bees" / "really_png.jpg").write_bytes((root / "bees" / "glass.png").read_bytes())

    for color_mode, channels in (("rgb", 3), ("grayscale", 1)):
        splits = data.image_folder(root, (24, 32), validation_split=None, color_mode=color_mode)
        images = {
            os.path.basename(path): image
            for path, image in zip(
                splits.paths["train"], images_of(splits.train_in_order), strict=True
            )
        }
        assert set(written) | {"really_png.jpg"} <= set(images)
        for name, (image, _) in written.items():
            expected = image.rotate(270, expand=True) if name == "turned.jpg" else image
            if name == "deep.png":
                expected = Image.fromarray((np.asarray(image) >> 8).astype("uint8"))
            if image.mode == "RGBA":
                white = Image.new("RGBA", image.size, "white")
                expected = Image.alpha_composite(white, image)
            expected = np.asarray(expected.convert("RGB" if channels == 3 else "L"))
            difference = np.abs(images[name] - expected.reshape(24, 32, channels))
            assert difference.mean() < 12, name  # JPEG and a palette of 256 colors lose some
        np.testing.assert_array_equal(images["glass.png"], images["really_png.jpg"])


def test_both_decoders_agree_within_two_grey_levels(folder, tmp_path):
    # The same pixels: once plain, once with a mark that sends it through Pillow.
    root = folder({"a": 3, "b": 1}, suffix=".png")
    for path in list((root / "a").glob("*.png")):
        image = Image.open(path)
        image.save(root / "a" / f"{path.stem}.webp", lossless=True)
        image.close()
    splits = data.image_folder(root, (13, 11), validation_split=None)
    images = images_of(splits.train_in_order)
    assert names_of(splits.paths["train"][:2]) == ["000.png", "000.webp"]
    np.testing.assert_allclose(images[0:6:2], images[1:6:2], atol=2)


def damaged_folder(folder, make_image):
    root = folder({"ants": 4, "bees": 4})
    (root / "ants" / "text.jpg").write_text("not a image")
    (root / "ants" / "empty.png").touch()
    buffer = io.BytesIO()
    make_image(99, size=(200, 200)).save(buffer, "JPEG", quality=95)
    (root / "bees" / "cut.jpg").write_bytes(buffer.getvalue()[:-400])
    (root / "bees" / "scan.nef").write_bytes(b"II*\x00")
    os.symlink(root / "nowhere.jpg", root / "bees" / "dangling.jpg")
    return root


UNREADABLE = {
    "text.jpg": "not a JPEG, PNG, BMP, GIF, WebP, PPM or TIFF image",
    "empty.png": "the file is empty",
    "cut.jpg": "truncated",
    "scan.nef": ".nef is not supported",
    "dangling.jpg": "No such file",
}


def test_unreadable_files_are_named_all_at_once(folder, make_image):
    root = damaged_folder(folder, make_image)
    with pytest.raises(ValueError, match="5 of 13 images cannot be read") as error:
        data.image_folder(root, 8)
    for name, reason in UNREADABLE.items():
        (line,) = [line for line in str(error.value).splitlines() if name in line]
        assert reason in line
    assert "on_unreadable='skip'" in str(error.value)


def test_unreadable_files_are_left_out_on_request(folder, make_image):
    root = damaged_folder(folder, make_image)
    with pytest.warns(data.DataWarning, match="Skipped 5 of 13 images"):
        splits = data.image_folder(root, 8, on_unreadable="skip", validation_split=None)
    assert names_of(path for path, _ in splits.unreadable) == sorted(UNREADABLE)
    assert splits.num_images == {"train": 8}
    assert images_of(splits.train).shape[0] == 8
    assert "Skipped 5 of 13" in splits.warnings[0]


def test_a_long_list_of_unreadable_files_is_cut(folder):
    root = folder({"ants": 2, "bees": 2})
    for number in range(23):
        (root / "ants" / f"bad{number}.jpg").write_text("x")
    with pytest.raises(ValueError, match="and 3 more"):
        data.image_folder(root, 8)


def test_a_gigantic_image_is_unreadable(folder, monkeypatch):
    root = folder({"ants": 2, "bees": 2})
    Image.new("1", (3000, 3000)).save(root / "bees" / "bomb.png")
    for limit in (6_000_000, 1_000_000):  # Pillow warns above it and raises above its double
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ValueError, match=r"bomb\.png: too many pixels"):
            data.image_folder(root, 8)


def test_a_png_without_its_end_is_read_all_the_same(folder):
    root = folder({"ants": 2, "bees": 2}, suffix=".png")
    path = root / "bees" / "000.png"
    path.write_bytes(path.read_bytes()[:-12])  # the IEND chunk
    assert images_of(data.image_folder(root, 8, validation_split=None).train).shape[0] == 4


def test_files_that_are_no_images_are_passed_over(folder):
    root = folder({"ants": 2, "bees": 2, ".hidden": 2, "__MACOSX": 1})
    for name in (".DS_Store", "Thumbs.db", "README.txt", "labels.csv", "a.json", "._000.jpg"):
        (root / "ants" / name).write_text("x")
    (root / "README.md").write_text("x")
    splits = data.image_folder(root, 8, validation_split=None)
    assert splits.num_images == {"train": 4}
    assert splits.warnings == ()


def test_subfolders_and_links_belong_to_their_class(folder):
    root = folder({"ants": 2, "bees/wild/north": 2, "bees": 2, "elsewhere": 0})
    os.rmdir(root / "elsewhere")
    os.rename(root / "ants" / "000.jpg", root.parent / "outside.jpg")
    os.symlink(root.parent / "outside.jpg", root / "ants" / "link.jpg")
    splits = data.image_folder(root, 8, validation_split=None)
    assert splits.class_counts["train"] == {"ants": 2, "bees": 4}


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"a": 3, "b": 3, "c": 0}, "Left out, since they contain no image: 'c'"),
        ({"a": 3, "b": 1}, "Only one training image for 'b'"),
        ({"a": 3, "b": 30}, "strongly imbalanced: 'b' has 24 training images"),
        (
            {"train/a": 3, "train/b": 3, "val/a": 1, "val/b": 0},
            "No image in the validation split for 'b'",
        ),
        ({"train/a": 3, "train/b": 3, "test/b": 1}, "No image in the test split for 'a'"),
        ({"train/a": 3, "train/b": 3, "extra/c": 1}, "Ignored.*'extra'"),
        ({"train/a": 3, "train/b": 3, "test": 3}, "Ignored.*'test'"),
        ({"a": 2, "b": 2, ".": 3}, "Ignored.*3 files directly in"),
    ],
)
def test_doubtful_folders_warn(folder, counts, sentence):
    root = folder(counts)
    with pytest.warns(data.DataWarning, match=sentence) as record:
        splits = data.image_folder(root, 8)
    assert tuple(str(warning.message) for warning in record) == splits.warnings
    assert record[0].filename == __file__


def test_the_same_image_in_two_splits_warns(folder):
    root = folder({"train/a": 3, "train/b": 3, "val/a": 1, "val/b": 1})
    shutil.copy(root / "train" / "a" / "002.jpg", root / "val" / "a" / "copy.jpg")
    with pytest.warns(
        data.DataWarning, match="Images of the validation split .*also in the train split.*: 1,"
    ):
        splits = data.image_folder(root, 8)
    assert "'train/a/002.jpg' = 'val/a/copy.jpg'" in splits.warnings[0]


def test_the_same_image_in_two_classes_warns(folder):
    root = folder({"a": 3, "b": 3})
    shutil.copy(root / "a" / "002.jpg", root / "b" / "copy.jpg")
    with pytest.warns(data.DataWarning, match="Images in two classes, .*: 1,"):
        data.image_folder(root, 8, validation_split=None)


def test_balanced_class_weights_give_each_class_the_same_weight(folder):
    splits = data.image_folder(folder({"a": 9, "b": 1}), 8, validation_split=None)
    # 10 images, two classes: 10 / (2 * 9) and 10 / (2 * 1)
    assert splits.balanced_class_weight == pytest.approx({0: 10 / 18, 1: 5.0})


def test_fingerprints_change_with_what_they_stand_for(folder):
    root = folder({"a": 4, "b": 4})
    first = data.image_folder(root, 8).fingerprints
    assert data.image_folder(root, 8, batch_size=2).fingerprints == first
    changed = [
        data.image_folder(root, 9).fingerprints,
        data.image_folder(root, 8, color_mode="grayscale").fingerprints,
        data.image_folder(root, 8, seed=1).fingerprints,
        data.image_folder(root, 8, reduced_decoding=False).fingerprints,
    ]
    shutil.copy(root / "a" / "000.jpg", root / "a" / "copy.jpg")
    shutil.copy(root / "b" / "000.jpg", root / "b" / "copy.jpg")
    changed.append(data.image_folder(root, 8).fingerprints)
    assert len({repr(found) for found in [first, *changed]}) == 6


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "Found no class folder"),
        ({".": 3}, "Found no class folder"),
        ({"a": 3}, "At least two classes"),
        ({"a": 3, "b": 0}, r"Found images for \['a'\] alone, and none for \['b'\]"),
        ({"a": 0, "b": 0}, "At least two classes"),
        ({"train/a": 3}, "At least two classes"),
        ({"train/a": 2, "train/b": 2, "test/a": 1, "test/c": 1}, r"test split has .*\['c'\]"),
        ({"train/a": 2, "train/b": 2, "train/c": 0, "val/c": 1}, r"validation split .*\['c'\]"),
        ({"val/a": 2, "test/b": 2}, "but no 'train' folder"),
        ({"train/a": 2, "val/a": 2, "validation/a": 2}, "two folders for the validation split"),
    ],
)
def test_folders_that_cannot_be_learned_from_raise(folder, counts, message):
    with pytest.raises(ValueError, match=message) as error:
        data.image_folder(folder(counts), 8)
    assert "Received: '" in str(error.value)


def test_a_class_whose_images_are_all_unreadable_counts_as_empty(folder):
    root = folder({"a": 2, "b": 2, "c": 0})
    (root / "c" / "bad.jpg").write_text("x")
    with pytest.warns(data.DataWarning, match="Left out.*'c'"):
        assert data.image_folder(root, 8, on_unreadable="skip").class_names == ("a", "b")


def test_a_missing_folder_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such folder"):
        data.image_folder(tmp_path / "nowhere", 8)


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "file.jpg"
    path.touch()
    with pytest.raises(NotADirectoryError, match="but is a file"):
        data.image_folder(path, 8)


@pytest.mark.parametrize(
    "arguments",
    [
        {"image_size": 0},
        {"image_size": 9_600_000},
        {"image_size": "160"},
        {"batch_size": 0},
        {"batch_size": 2.0},
        {"batch_size": True},
        {"validation_split": 0},
        {"validation_split": 1.0},
        {"validation_split": "0.2"},
        {"seed": -1},
        {"seed": None},
        {"on_unreadable": "ignore"},
        {"color_mode": "rgba"},
    ],
)
def test_bad_arguments_raise(folder, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"`{name}` must .*Received: {name}=") as error:
        data.image_folder(folder({"a": 2, "b": 2}), **{"image_size": 8, **arguments})
    assert repr(value) in str(error.value)


def test_readers_are_imported_where_they_are_used():
    # Keras imports Pillow where it is installed, so `sys.modules` would not tell.
    for path in pathlib.Path(data.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            imported = (
                ast.unparse(node) if isinstance(node, ast.Import | ast.ImportFrom) else ""
            )
            assert not re.search("PIL|tensorflow_datasets|matplotlib", imported), path
            assert not re.search(
                r"keras_transfer\.(?!data|_files|_figures|_records|_text)", imported
            ), path


@pytest.mark.parametrize(
    ("name", "num_images", "num_classes"),
    [
        ("clothing", {"train": 3068, "validation": 341, "test": 372}, 10),
        ("hymenoptera", {"train": 244, "validation": 153}, 2),
        pytest.param(
            "sign_digits", {"train": 1651, "validation": 411}, 10, marks=pytest.mark.exhaustive
        ),
    ],
)
def test_real_folders_are_read_without_a_warning(real_data, name, num_images, num_classes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        splits = data.image_folder(real_data / name, (64, 48))
    assert splits.num_images == num_images
    assert len(splits.class_names) == num_classes
    images, labels = next(iter(splits.validation))
    assert images.shape == (32, 64, 48, 3)
    assert list(labels) == list(splits.labels["validation"][:32])


def test_a_source_knows_its_folder(folder):
    photos = folder({"ants": 6, "bees": 4})
    assert data.image_folder(photos, 8).train.source.name == str(photos)
