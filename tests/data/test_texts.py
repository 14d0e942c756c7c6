import numpy as np
import pytest

from keras_transfer import data

ROWS = [
    (f"{word} text number {number}", word) for word in ("bad", "good") for number in range(10)
]


def write(path, header, rows):
    lines = [";".join(header), *(";".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def table(tmp_path):
    return write(tmp_path / "reviews.csv", ("text", "label"), ROWS)


def all_texts(dataset):
    return [text.decode() for texts, _ in dataset for text in texts.numpy()]


def test_table_is_divided_by_class_and_keeps_its_texts(table):
    splits = data.text_table(table, batch_size=4)
    assert splits.class_names == ("bad", "good")
    assert splits.class_counts["validation"] == {"bad": 2, "good": 2}
    assert sorted(all_texts(splits.train) + all_texts(splits.validation)) == sorted(
        text for text, _ in ROWS
    )
    assert all_texts(splits.train_in_order) == list(splits.texts["train"])
    texts, labels = next(iter(splits.validation))
    assert labels.dtype == np.int32
    assert [splits.class_names[label] for label in labels] == [
        text.decode().split()[0] for text in texts.numpy()
    ]
    assert data.text_table(table).fingerprints == splits.fingerprints
    assert data.text_table(table, seed=1).fingerprints != splits.fingerprints


def test_equal_texts_and_groups_stay_on_one_side(tmp_path):
    copies = [(text.upper() + "  ", label, "") for text, label in ROWS[:5]]
    people = [(f"{label} of person {n}", label, f"p{n % 4}") for n in range(24)
              for label in ("bad", "good")]  # fmt: skip
    rows = [*((*row, "") for row in ROWS), *copies, *people]
    path = write(tmp_path / "t.csv", ("text", "label", "person"), rows)
    splits = data.text_table(path, group="person", validation_split=0.3)
    assert not splits.warnings
    persons = {split: set(found) - {None} for split, found in splits.groups.items()}
    assert persons["validation"] and not persons["train"] & persons["validation"]


def test_split_column_and_other_names_of_columns(tmp_path):
    rows = [(label, text, split) for (text, label), split in zip(
        ROWS, ["training", "valid", "test", "train"] * 5, strict=True)]  # fmt: skip
    path = write(tmp_path / "t.csv", ("kind", "question", "split"), rows)
    splits = data.text_table(path, text="question", label="kind")
    assert splits.num_images == {"train": 10, "validation": 5, "test": 5}
    with pytest.raises(ValueError, match="Name the column with `text`"):
        data.text_table(path, label="kind")


def test_fold_is_the_test_set(table):
    tests = [data.text_table(table, fold=(index, 5)).texts["test"] for index in range(5)]
    assert sorted(sum(tests, ())) == sorted(text for text, _ in ROWS)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(" ", "bad")], "Row 22 of .* has no text"),
        ([("text", "")], "Row 22 of .* has no class"),
        ([], "At least two classes"),
    ],
)
def test_rows_that_are_no_examples_are_told(tmp_path, rows, message):
    some = ROWS if rows else ROWS[:10]
    path = write(tmp_path / "t.csv", ("text", "label"), [*some, *rows])
    with pytest.raises(ValueError, match=message):
        data.text_table(path)


def test_text_in_two_classes_is_a_warning(tmp_path):
    path = write(tmp_path / "t.csv", ("text", "label"), [*ROWS, (ROWS[0][0], "good")])
    with pytest.warns(data.DataWarning, match="Texts in two classes"):
        splits = data.text_table(path, validation_split=None)
    assert splits.validation is None


def test_folder_of_texts(tmp_path):
    for split in ("train", "test"):
        for number, (text, label) in enumerate(ROWS):
            folder = tmp_path / split / label
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.txt").write_text(f"{text} {split} ü", encoding="utf-8")
    splits = data.text_folder(tmp_path, validation_split=None)
    assert splits.num_images == {"train": 20, "test": 20}
    assert splits.texts["test"][0] == "bad text number 0 test ü"
    (tmp_path / "train" / "bad" / "0.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not a text in UTF-8"):
        data.text_folder(tmp_path)
    (tmp_path / "train" / "bad" / "1.txt").write_text(" ")
    with pytest.warns(data.DataWarning, match="Skipped 2 of 40 texts that cannot be read"):
        splits = data.text_folder(tmp_path, validation_split=None, on_unreadable="skip")
    assert splits.num_images == {"train": 18, "test": 20} and len(splits.unreadable) == 2


def test_a_row_without_a_text_is_left_out_on_request(tmp_path):
    path = write(tmp_path / "t.csv", ("text", "label"), [*ROWS, (" ", "bad")])
    with pytest.warns(data.DataWarning, match="Skipped 1 of 21 texts without a word"):
        splits = data.text_table(path, on_unreadable="skip")
    assert sum(splits.num_images.values()) == 20
    assert splits.unreadable == ((f"Row 22 of '{path}'", "has no text"),)


def test_empty_folder_is_told(tmp_path):
    (tmp_path / "bad").mkdir()
    with pytest.raises(ValueError, match=r"There are no \.txt files"):
        data.text_folder(tmp_path)
