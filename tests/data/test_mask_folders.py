"""Images with masks, from folders."""

import io
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_transfer import data
from keras_transfer.data.mask_files import MaskReader

HEIGHT, WIDTH = 24, 30


def halves(edge, labels=(0, 1)):
    """A mask whose columns from `edge` on have the second label."""
    mask = np.full((HEIGHT, WIDTH), labels[0], "uint8")
    mask[:, edge:] = labels[1]
    return Image.fromarray(mask)


@pytest.fixture
def scene(tmp_path, make_image):
    """Writes images and masks, `{"images/a.png": mask}`; the mask folder is beside `images`."""

    def make(masks, images="images", folder="masks", ending=".png", root="scene"):
        for name, mask in masks.items():
            seed = zlib.crc32(f"{images}/{name}".encode())
            for place in (images, folder):
                (tmp_path / root / place / name).parent.mkdir(parents=True, exist_ok=True)
            make_image(seed, (HEIGHT, WIDTH)).save(tmp_path / root / images / f"{name}.jpg")
            if mask is not None:
                mask.save(tmp_path / root / folder / f"{name}{ending}")
        return tmp_path / root

    return make


def four(**arguments):
    return {str(number): halves(10 + number, **arguments) for number in range(4)}


def test_masks_are_read_beside_their_images_without_interpolation(scene):
    read = data.mask_folder(
        scene(four()), "masks", (12, 15), classes=["left", "right"], batch_size=1
    )
    assert read.task == "masks" and read.num_images == {"train": 3, "validation": 1}
    assert read.class_names == ("left", "right")
    for (_, mask), file in zip(read.train_in_order, read.labels["train"], strict=True):
        edge = 10 + int(file.path[-5])
        # Column c of 15 has its middle in column 2 c + 1 of 30.
        expected = [[column * 2 + 1 >= edge for column in range(15)]] * 12
        np.testing.assert_array_equal(mask[0], expected)
        assert mask.dtype == "uint8"
        assert file.pixels == (edge * HEIGHT, (WIDTH - edge) * HEIGHT)


def test_splits_are_recognised_around_both_folders_and_within_them(scene):
    inside = {
        f"{split}/{name}": mask for split in ("train", "val") for name, mask in four().items()
    }
    for split in ("train", "val", "test"):
        scene(four(), f"{split}/images", f"{split}/masks", root="around")
    around = data.mask_folder(scene({}, root="around").parent / "around", "masks", 8)
    assert around.num_images == {"train": 4, "validation": 4, "test": 4}
    root = scene(inside, "pictures", "truth", root="within")
    within = data.mask_folder(root / "pictures", root / "truth", 8)
    assert within.num_images == {"train": 4, "validation": 4}


def test_a_folder_of_masks_within_the_images_is_no_image(scene):
    root = scene(four(), "", "masks", ending="_mask.png")
    assert data.mask_folder(root, root / "masks", 8, validation_split=None).num_images == {
        "train": 4
    }


def test_colours_and_no_class_are_read_by_a_table(scene, tmp_path):
    colors = [
        Image.merge("RGB", (mask.point(lambda v: 200 * v),) * 3) for mask in four().values()
    ]
    colors[0].putpixel((0, 0), (7, 7, 7))
    root = scene(dict(zip("abcd", colors, strict=True)))
    (tmp_path / "classes.csv").write_text("left,0,0,0\nright,200,200,200\n,7,7,7\n")
    table = {"left": (0, 0, 0), "right": (200, 200, 200), None: (7, 7, 7)}
    for classes in (table, tmp_path / "classes.csv"):
        read = data.mask_folder(
            root, "masks", (HEIGHT, WIDTH), classes=classes, validation_split=None
        )
        assert read.class_names == ("left", "right") and read.ignore_class == 255
        masks = next(iter(read.train_in_order))[1].numpy()
        assert masks[0, 0, 0] == 255 and set(np.unique(masks)) == {0, 1, 255}


@pytest.mark.parametrize("mode", ["P", "L", "1", "RGB", "RGBA", "LA", "I;16", "I"])
def test_indices_are_read_from_every_kind_of_image(mode):
    mask = halves(10)
    if mode == "P":
        image = mask.copy()
        image.putpalette([10, 20, 30, 200, 100, 0])
    elif mode == "1":
        image = mask.point(lambda value: 255 * value).convert("1")
    elif mode.startswith("I"):
        image = Image.fromarray(np.asarray(mask).astype("uint16" if ";" in mode else "int32"))
    else:
        image = mask.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF" if mode == "I" else "PNG")
    np.testing.assert_array_equal(MaskReader().decode(buffer.getvalue()), np.asarray(mask))


def test_a_turned_photo_has_an_upright_mask(scene, tmp_path, make_image):
    root = scene(four())
    exif = Image.Exif()
    exif[0x0112] = 6
    make_image(9, (WIDTH, HEIGHT)).save(root / "images" / "0.jpg", exif=exif)
    assert data.mask_folder(root, "masks", 8).num_images["train"] == 3


def test_what_cannot_be_used_is_skipped_on_request(scene):
    root = scene({**four(), "5": None, "6": halves(10).resize((8, 8)), "7": halves(9)})
    (root / "masks" / "8.png").write_bytes((root / "masks" / "7.png").read_bytes())
    with pytest.warns(data.DataWarning) as told:
        read = data.mask_folder(root, "masks", 8, on_unreadable="skip")
    messages = [str(one.message) for one in told]
    assert any("Left out, without a mask: 1 images, 'images/5.jpg'." in one for one in messages)
    assert any("Masks without an image: 1, 'masks/8.png'." in one for one in messages)
    assert any("Skipped 1 of 6 images whose mask" in one for one in messages)
    ((path, reason),) = read.unreadable
    assert path.endswith("6.png") and "8 x 8 pixels, but its image has 30 x 24" in reason
    assert sum(read.num_images.values()) == 5


def test_a_mask_that_changes_after_it_was_read_is_told(scene):
    root = scene(four())
    read = data.mask_folder(root, "masks", 8)
    for path in (root / "masks").iterdir():
        halves(3).save(path)
    with pytest.raises(tf.errors.InvalidArgumentError, match="changed after it was scanned"):
        list(read.train)


def test_classes_that_no_mask_shows_are_told(scene):
    with pytest.warns(data.DataWarning, match="No image in the train split for 'sky'"):
        data.mask_folder(
            scene(four()), "masks", 8, classes=["left", "right", "sky"], validation_split=None
        )


def test_camvid_is_recognised(real_data):
    read = data.mask_folder(real_data / "camvid", "masks", 32, ignore_class=11)
    assert read.num_images == {"train": 367, "validation": 101, "test": 233}
    assert read.class_names == tuple(map(str, range(11)))
