import json
import os
import shutil
import unicodedata

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from keras_transfer import data, serving
from keras_transfer._figures import svg_of
from keras_transfer.calibration.measures import confusion_table
from keras_transfer.data.image_folders import find_classes
from keras_transfer.runs.run_figures import confusion_figure
from tests.corpus.pictures import WHOLE
from tests.corpus.runs import make_run, small_model
from tests.corpus.told import assert_done, assert_told
from tests.corpus.values import few

pytestmark = [
    pytest.mark.filterwarnings("ignore::keras_transfer.data.DataWarning"),
    pytest.mark.skipif(os.name == "nt", reason="Windows forbids most of these names"),
]

ODD_NAMES = [
    "é", "e\u0301", "Stra\u00dfe", "STRASSE", "ﬁsh", "fish", "שלום", "\u202eright to left",
    "हिन्दी", "日本", "😀", "👩\u200d👧", "\U0001f1e9\U0001f1ea", "a\u0300\u0301\u0302\u0303",
    "quote'", 'double"quote', "back\\slash", "new\nline", "return\rhome", "tab\there", "<b>",
    "%s %d %(name)s", "{0} {x}", "$HOME", "$x^2$", "`ls`", "a;b|c&d", "*", "?", "[a-z]", "~",
    "-rf", "--output", " leading and trailing ", "dots...", "a:b", "\x1b[31mred", "\x07",
    "\x7f", "\u2028", "\u200b", "\ufeff", "CON", "null", "None", "NaN", "0", "007", "1e5",
    "Red", "red", "RED", "train", "x" * 255, "é" * 127, "😀" * 63,
]  # fmt: skip
# Two names that a file system might not tell apart.
PAIRS = [("é", "e\u0301"), ("Red", "red"), ("Straße", "STRASSE"), ("ﬁsh", "fish")]
HIDDEN = [".hidden", "..", "...", ".😀"]
NO_UNICODE = [b"\xff", b"caf\xe9", b"\xed\xa0\x80", b"\xf0\x9f"]


def class_folders(directory, names, per_class=2):
    """A folder for each name with two pictures, which all differ."""
    for number, name in enumerate(names):
        folder = directory / name
        folder.mkdir(parents=True)
        for index in range(per_class):
            # What stands behind the end of a picture makes it another one.
            end = bytes([number % 256, number // 256, index])
            (folder / f"{index}.png").write_bytes(WHOLE["plain.png"] + end)
    return directory


def test_names_stay_as_they_are(tmp_path):
    # All are the same picture, which stays on one side of a split.
    directory = class_folders(tmp_path / "data", ODD_NAMES)
    splits = data.image_folder(directory, 8, validation_split=None)
    assert splits.class_names == tuple(sorted(ODD_NAMES))
    assert splits.num_images == {"train": 2 * len(ODD_NAMES)}


@pytest.mark.parametrize("pair", PAIRS)
def test_names_that_look_alike_are_two_classes(tmp_path, pair):
    directory = class_folders(tmp_path / "data", pair[:1])
    if (directory / pair[1]).exists():
        pytest.skip("this file system does not tell them apart")
    class_folders(directory, pair[1:])
    assert set(data.image_folder(directory, 8).class_names) == set(pair)


def test_hidden_folders_are_no_classes(tmp_path):
    names = [name for name in HIDDEN if name != ".."]
    directory = class_folders(tmp_path / "data", [*names, "ants", "bees"])
    assert data.image_folder(directory, 8).class_names == ("ants", "bees")


@pytest.mark.parametrize("name", NO_UNICODE)
def test_name_that_is_no_unicode_is_told_before_anything_is_written(tmp_path, name):
    class_folders(tmp_path / "data", ["ants"])
    folder = os.path.join(os.fsencode(tmp_path / "data"), name)
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("this file system takes Unicode only")
    shutil.copy(tmp_path / "data/ants/0.png", os.path.join(folder, b"0.png"))
    arguments = ["fit", tmp_path / "data", "--output", tmp_path / "run", "--weights", "none"]
    assert "must be valid Unicode" in assert_told(arguments, tmp_path)


names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1
).filter(lambda name: len(name.encode()) <= 255 and not name.startswith("."))


@few(40)
@hypothesis.given(st.sets(names, min_size=2, max_size=5))
def test_any_names_are_found(tmp_path_factory, drawn):
    # Some file systems fold case and normalise.
    drawn = {unicodedata.normalize("NFC", name).casefold(): name for name in drawn}
    directory = tmp_path_factory.mktemp("names") / "data"
    try:
        class_folders(directory, drawn.values())
    except OSError:
        hypothesis.reject()
    drawn = set(drawn.values()) - {"__MACOSX"}
    classes, _ = find_classes(directory)
    assert classes.keys() == drawn
    assert all(len(paths) == 2 for paths in classes.values())


@pytest.fixture(scope="module")
def run_of_all(tmp_path_factory):
    """A run whose model tells all of them apart, and pictures of them."""
    folder = tmp_path_factory.mktemp("names")
    class_folders(folder / "data", ODD_NAMES, 1)
    return make_run(folder / "run", sorted(ODD_NAMES)), folder / "data"


def test_every_name_is_one_line_of_a_table(run_of_all, tmp_path):
    run, directory = run_of_all
    out = assert_done(["evaluate", run, directory], tmp_path)
    assert "\x1b" not in out and "\x07" not in out
    # the accuracy, the classes with their head, the most common confusions with theirs, and an
    # empty line before each
    confusions = out.partition("Most common confusions:")[2].count("\n")
    assert out.count("\n") == 1 + (1 + len(ODD_NAMES)) + 2 + confusions
    assert 1 < confusions <= 11


def test_predictions_are_one_line_with_each_name(run_of_all, tmp_path):
    run, directory = run_of_all
    picture = next(directory.glob("red/*"))
    arguments = ["predict", run, picture, "--top", len(ODD_NAMES)]
    (line,) = assert_done(arguments, tmp_path).removesuffix("\n").split("\n")
    assert len(line.split("\t")) == 1 + len(ODD_NAMES)
    (line,) = assert_done([*arguments, "--json"], tmp_path).removesuffix("\n").split("\n")
    assert {entry["label"] for entry in json.loads(line)["classes"]} == set(ODD_NAMES)


@few(50)
@hypothesis.given(st.lists(st.text(max_size=30), min_size=2, max_size=4))
def test_a_table_has_a_line_for_each_name(drawn):
    table = confusion_table([[1] * len(drawn)] * len(drawn), drawn)
    assert table.count("\n") == len(drawn)


def test_names_are_drawn_beside_the_matrix():
    for start in range(0, len(ODD_NAMES), 20):
        names = ODD_NAMES[start : start + 20]
        counts = [[1] * len(names)] * len(names)
        svg = svg_of(lambda names=names, counts=counts: confusion_figure(counts, names), "a")
        assert svg.count("<text") >= 2 * len(names)


def test_an_export_answers_with_the_names(tmp_path):
    model = small_model(len(ODD_NAMES))
    version = serving.export(model, tmp_path / "serving", class_names=ODD_NAMES)
    served = tf.saved_model.load(str(version)).signatures["images"]
    answer = served(images=tf.random.stateless_uniform((4, 16, 16, 3), (0, 0)) * 255)
    expected = [ODD_NAMES[index] for index in answer["class_index"].numpy()]
    assert [label.decode() for label in answer["label"].numpy()] == expected


WRONG_LABEL_MAPS = {
    "too few": ["a"],
    "too many": ["a", "b", "c", "d"],
    "none": [],
    "a string of the right length": "abc",
    "bytes of the right length": b"abc",
    "a dict": {0: "a", 1: "b", 2: "c"},
    "half a character": ["a", "b", "\ud800"],
}


@pytest.mark.parametrize("names", WRONG_LABEL_MAPS.values(), ids=WRONG_LABEL_MAPS)
def test_wrong_label_map_is_told_before_anything_is_written(tmp_path, names):
    with pytest.raises(ValueError, match="Received: class_names="):
        serving.export(small_model(), tmp_path / "serving", class_names=names)
    assert not list(tmp_path.iterdir())


KINDS = {
    "odd names of classes": ODD_NAMES,
    "names that look alike": PAIRS,
    "hidden folders": HIDDEN,
    "names that are no Unicode": NO_UNICODE,
    "wrong label maps": WRONG_LABEL_MAPS,
}
