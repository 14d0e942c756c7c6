"""Data that measure a trained model need not have all of its classes."""

import numpy as np
import pytest
from PIL import Image

from keras_transfer import data

KNOWN = ("no", "yes")
ROWS = ["path,text,age,label", *(f"yes/{n}.png,text {n},{n},yes" for n in range(3))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("data")
    (place / "yes").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), "uint8")
        Image.fromarray(pixels).save(place / "yes" / f"{number}.png")
        (place / "yes" / f"{number}.txt").write_text(f"text {number}")
    (place / "all.csv").write_text("\n".join(ROWS))
    (place / "test.csv").write_text(
        "\n".join([f"{ROWS[0]},split", *(f"{row},test" for row in ROWS[1:])])
    )
    return place


READERS = {
    "images": lambda place, file, **more: data.image_folder(place, 16, **more),
    "table of images": lambda place, file, **more: data.image_table(
        place / file, 16, targets="label", **more
    ),
    "texts": lambda place, file, **more: data.text_folder(place, **more),
    "table of texts": lambda place, file, **more: data.text_table(place / file, **more),
    "rows": lambda place, file, **more: data.table(
        place / file, "label", ["age"], split="split" if file == "test.csv" else None, **more
    ),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("file", ["all.csv", "test.csv"])
def test_one_class_is_enough_to_measure(folder, read, file):
    splits = read(folder, file, class_names=KNOWN, validation_split=None)
    assert splits.class_names == KNOWN and not splits.warnings
    (labels,) = splits.labels.values()
    assert labels == (1, 1, 1)
    with pytest.raises(ValueError, match=r"does not know the classes 'yes'. It knows 'a', 'b'"):
        read(folder, file, class_names=("a", "b"), validation_split=None)
    with pytest.raises(ValueError, match=r"At least two classes|classes without training"):
        read(folder, file, validation_split=None)
