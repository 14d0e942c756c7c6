"""What the examples of a folder or of a CSV file are."""

import numpy as np
import pytest
from PIL import Image

from keras_transfer import data
from keras_transfer.data.sources import kind_of, read_source

FOLDERS = {"texts": data.text_folder, "sounds": data.audio_folder}


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["a/1.wav", "b/2.WAV"], "sounds"),
        (["a/1.m4a", "b/2.aac"], "sounds"),
        (["a/1.txt", "b/2.txt"], "texts"),
        (["train/a/1.txt", "train/b/2.txt"], "texts"),
        (["a/1.png", "b/2.png", "a/notes.txt"], "images"),
        (["a/1.png", "a/2.wav"], "images"),
        (["a/b/1.jpg", "a/c/2.jpg"], "images"),
        ([], "images"),
    ],
)
def test_most_files_decide_what_a_folder_holds(tmp_path, files, kind):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert kind_of(tmp_path, {}) == kind


@pytest.mark.parametrize(
    ("lines", "given", "kind"),
    [
        (["path,age", "1.png,3"], {}, "images"),
        (["path,age", "1.png,3"], {"inputs": ["age"]}, "images and rows"),
        (["photo,age", "absent.png,3"], {}, "images"),
        (["name,age", "photo,3"], {}, "images"),  # photo.jpg lies beside the file
        (["text,label", "good,yes"], {}, "texts"),
        (["review,label", "good,yes"], {"text": "review"}, "texts"),
        (["age,income", "30,low"], {}, "rows"),
        (["age,income"], {}, "rows"),
        (["age,income", "30,low"], {"images": "age"}, "images"),
    ],
)
def test_columns_and_cells_decide_what_a_table_holds(tmp_path, lines, given, kind):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    (tmp_path / "data.csv").write_text("\n".join(lines))
    assert kind_of(tmp_path / "data.csv", given) == kind


def test_files_of_sounds_in_a_table_are_told(tmp_path):
    for header in ("path", "recording"):
        (tmp_path / "data.csv").write_text(f"{header},label\n1.wav,a\n2.wav,b")
        with pytest.raises(ValueError, match=r"images, but not sounds.*Received: '1.wav' in"):
            kind_of(tmp_path / "data.csv", {})
        assert kind_of(tmp_path / "data.csv", {"inputs": ["tempo"]}) == "rows"


def test_sounds_without_class_folders_are_told(tmp_path):
    (tmp_path / "1.wav").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"Found 1 \.wav files in .*, and no class"):
        read_source(tmp_path, 16)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("1.wav", "sounds"), ("1.txt", "texts"), ("1.png", "images"), ("1", "images")],
)
def test_a_table_of_labels_says_what_the_files_are(tmp_path, name, kind):
    (tmp_path / "README.txt").write_text("of the folder")
    (tmp_path / "labels.csv").write_text(f"path,class\n{name},a\n")
    assert kind_of(tmp_path, {"labels": tmp_path / "labels.csv"}) == kind


def test_two_columns_of_classes_of_texts_are_told(tmp_path):
    rows = [f"{number}.txt,{number % 2},{number // 2 % 2}" for number in range(8)]
    for number in range(8):
        (tmp_path / f"{number}.txt").write_text("word")
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["path,spam,urgent", *rows]))
    with pytest.raises(ValueError, match=r"one class: name its column .*'spam', 'urgent'"):
        read_source(tmp_path, labels=labels)


def test_texts_none_of_which_can_be_read_are_an_error_with_skip_too(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_text(" ")
    for name in "bc":
        (tmp_path / name / "2.txt").write_text("word")
    with pytest.warns(UserWarning) as caught:
        read_source(tmp_path, on_unreadable="skip", validation_split=None)
    told = [str(one.message) for one in caught]
    assert "Left out, since none of their texts can be read: ['a']." in " ".join(told)
    for name in "bc":
        (tmp_path / name / "2.txt").unlink()
    with pytest.raises(ValueError, match=r"1\.txt"):
        read_source(tmp_path, on_unreadable="skip", class_names=["a", "b", "c"])


@pytest.fixture(params=FOLDERS)
def named_files(request, tmp_path):
    """The kind of twelve files in a folder, their suffix, and the lines of a CSV file."""
    (tmp_path / "all").mkdir()
    suffix = {"texts": "txt", "sounds": "wav"}[request.param]
    lines = ["file,class,person,split"]
    for number in range(12):
        name = f"{number}.{suffix}"
        split = ("train", "train", "test")[number % 3]
        lines.append(f"{name},{('a', 'b')[number % 2]},p{number},{split}")
        if request.param == "texts":
            (tmp_path / "all" / name).write_text(f"text {number}")
        else:
            soundfile = pytest.importorskip("soundfile")
            soundfile.write(tmp_path / "all" / name, np.full(800, (number + 1) / 20), 8000)
    return request.param, suffix, lines


def test_a_csv_file_gives_the_classes_of_a_folder(tmp_path, named_files):
    kind, suffix, lines = named_files
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(lines))
    given = {"labels": labels, "targets": "class", "validation_split": None}
    splits = read_source(tmp_path / "all", group="person", **given)
    assert splits.kind == kind and splits.num_images == {"train": 8, "test": 4}
    assert splits.class_names == ("a", "b")
    assert splits.groups["test"] == ("p2", "p5", "p8", "p11")
    with pytest.raises(ValueError, match="no `metadata`: the CSV file gives the classes"):
        read_source(tmp_path / "all", metadata=labels, group="person", **given)
    with pytest.raises(ValueError, match=r"has one class\. Received: task='numbers'"):
        read_source(tmp_path / "all", task="numbers", **given)
    labels.write_text("\n".join(lines).replace(",b,", ",NA,"))
    with pytest.raises(ValueError, match="--task classes"):
        read_source(tmp_path / "all", **given)
    with pytest.warns(UserWarning, match="'NA' in the column 'class' is a class"):
        splits = read_source(tmp_path / "all", task="classes", **given)
    assert splits.class_names == ("NA", "a")
    known = read_source(tmp_path / "all", task="classes", class_names=("NA", "a"), **given)
    assert not known.warnings  # the training has raised it
    (tmp_path / "all" / "notes.md").write_text("x")
    labels.write_text("\n".join([*lines, "notes.md,a,p1,train"]))
    with pytest.raises(ValueError, match=rf"none of .*\.{suffix}.*Received.*notes.md"):
        read_source(tmp_path / "all", **given)
    labels.write_text("\n".join([*lines, "absent.wav,a,p1,train"]))
    with pytest.raises(ValueError, match=r"Row 14 .* names no file in"):
        read_source(tmp_path / "all", **given)


def test_files_that_no_row_names_are_told(tmp_path, named_files):
    kind, suffix, lines = named_files
    (tmp_path / "all" / f".hidden.{suffix}").write_text("x")
    (tmp_path / "all" / "notes.md").write_text("x")
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(line for line in lines if not line.startswith(("3.", "5."))))
    told = rf"since .*labels.csv' does not name them: 2 files, such as '3.{suffix}'"
    with pytest.warns(data.DataWarning, match=told):
        FOLDERS[kind](tmp_path / "all", labels=labels, targets="class", validation_split=None)


def test_a_list_of_files_without_a_header_is_told(tmp_path, named_files):
    kind, suffix, lines = named_files
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(lines[1:]))
    told = rf"labels.csv' has no header: .* names the file '0.{suffix}'"
    with pytest.raises(ValueError, match=told):
        FOLDERS[kind](tmp_path / "all", labels=labels)


@pytest.mark.parametrize("suffix", ["txt", "png"])
def test_files_and_folders_that_are_in_no_class_are_told(tmp_path, suffix):
    counts = {"train/a": 2, "train/b/inner": 2, "train/empty": 0, "train": 1, "other": 1}
    for index, (name, count) in enumerate(counts.items()):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            path = tmp_path / name / f"{number}.{suffix}"
            values = np.random.default_rng([index, number]).integers(0, 256, (8, 8, 3), "uint8")
            if suffix == "png":
                Image.fromarray(values).save(path)
            else:
                path.write_text(f"text {index} {number}")
    if suffix == "png":  # else `train` may be a class of trains
        (tmp_path / "train" / "0.png").unlink()
    with pytest.warns(data.DataWarning) as caught:
        splits = read_source(tmp_path, 8, validation_split=None)
    told = "\n".join(str(one.message) for one in caught)
    assert splits.class_counts == {"train": {"a": 2, "b": 2}}
    assert "not splits with class folders: 'other'" in told
    assert f"contain no {'image' if suffix == 'png' else '.txt file'}" in told
    assert ("not in a class folder: 1 files directly in" in told) is (suffix == "txt")
    with pytest.warns(data.DataWarning, match="Ignored"):
        known = read_source(tmp_path, 8, validation_split=None, class_names=["a", "b", "empty"])
    assert not any("contain no" in message for message in known.warnings)


@pytest.mark.parametrize("read", FOLDERS.values(), ids=FOLDERS)
@pytest.mark.parametrize(
    "given", [{"images": "file"}, {"targets": "class"}, {"task": "classes"}], ids=str
)
def test_columns_of_no_csv_file_are_told(tmp_path, read, given):
    with pytest.raises(
        ValueError, match=rf"name it with `labels`.*Received: {next(iter(given))}='"
    ):
        read(tmp_path, **given)


@pytest.mark.parametrize("group", [str.upper, {"1.wav": "p1"}], ids=["function", "mapping"])
def test_a_group_that_is_no_column_is_told(tmp_path, named_files, group):
    kind, _, lines = named_files
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(lines))
    told = r"`group` must be the name of a column of .*labels.csv'. Received: group=[<{]"
    readers = [
        lambda **more: FOLDERS[kind](tmp_path / "all", labels=labels, **more),
        lambda **more: data.image_table(labels, 8, **more),
        lambda **more: data.text_table(labels, text="file", **more),
        lambda **more: data.table(labels, "class", **more),
    ]
    for read in readers:
        with pytest.raises(ValueError, match=told):
            read(group=group)
