import numpy as np
import pytest

from keras_transfer import data
from keras_transfer.data.targets import read_targets


@pytest.fixture
def table(folder):
    """Writes rows below a header beside twelve images, and returns the CSV file."""
    root = folder({"images": 12})

    def write(rows, header="path,kind"):
        file = root / "labels.csv"
        file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return file

    return write


def rows_of(*columns):
    return [
        ",".join([f"images/{number:03d}.jpg", *(column(number) for column in columns)])
        for number in range(12)
    ]


def kind(number):
    return "ant" if number < 6 else "bee"


def test_images_have_the_classes_of_their_rows(table):
    splits = data.image_table(table(rows_of(kind)), 8, targets="kind")
    assert splits.class_names == ("ant", "bee")
    assert splits.class_counts["validation"] == {"ant": 1, "bee": 1}
    for split, paths in splits.paths.items():
        numbers = [int(path[-7:-4]) for path in paths]
        assert [splits.class_names[label] for label in splits.labels[split]] == [
            kind(number) for number in numbers
        ]
    images, labels = next(iter(splits.train_in_order))
    assert images.shape == (10, 8, 8, 3) and labels.numpy().tolist() == [0] * 5 + [1] * 5


def test_a_table_of_a_folder_gives_the_same_split(folder):
    root = folder({"ants": 8, "bees": 8})
    rows = [f"{path.relative_to(root)},{path.parent.name}" for path in root.glob("*/*.jpg")]
    (root / "labels.csv").write_text("\n".join(["image,kind", *sorted(rows)]))
    expected = data.image_folder(root, 8)
    found = data.image_table(root / "labels.csv", 8, images="image", targets="kind")
    assert found.paths == expected.paths and found.fingerprints == expected.fingerprints


def test_a_column_divides_the_images(table):
    def part(number):
        return ("train", "val", "Testing")[number % 3]

    splits = data.image_table(table(rows_of(kind, part), "file,kind,split"), 8, targets="kind")
    assert splits.num_images == {"train": 4, "validation": 4, "test": 4}


def test_a_column_has_the_groups(table):
    def person(number):
        return f" {number % 3} " if number else ""

    file = table(rows_of(kind, person), "path,kind,person")
    splits = data.image_table(file, 8, targets="kind", group="person", validation_split=0.4)
    train, validation = (set(splits.groups[split]) for split in ("train", "validation"))
    assert train | validation == {"0", "1", "2", None}
    assert not train & validation - {None}


@pytest.mark.parametrize(
    ("number", "row", "message"),
    [
        (3, "images/none.jpg,ant", "Row 5 of .* names no file in .*'images/none.jpg'"),
        (0, "../labels.csv,ant", "Row 2 of .* names a file outside .*'../labels.csv'"),
        (0, "/etc/hostname,ant", "Row 2 of .* names a file outside .* the folder that holds"),
        (11, ",ant", "Row 13 of .* names no file in its column 'path'"),
        (2, "images/002.jpg,", "Row 4 of .* has no class in its column 'kind'"),
        (2, "images/002.jpg", "Row 4 of .* has no class in its column 'kind'"),
        (2, "images/002.jpg,ant,bee", "Row 4 of .* more cells than the header: .*'bee'"),
        (2, "images/001.jpg,ant", "Row 4 of .* the same file as row 3"),
    ],
)
def test_a_wrong_row_is_told_with_its_number(table, number, row, message):
    rows = rows_of(kind)
    rows[number] = row
    with pytest.raises(ValueError, match=message) as error:
        data.image_table(table(rows), 8, targets="kind")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        (
            rows_of(kind),
            {"targets": "sort"},
            "no column 'sort'; its columns are .*Received: 'sort'",
        ),
        (
            rows_of(kind),
            {"targets": "kind", "images": "file"},
            "no column 'file'.*Received: 'file'",
        ),
        (
            rows_of(kind),
            {"targets": "kind", "group": "who"},
            "no column 'who'.*Received: 'who'",
        ),
        ([], {"targets": "kind"}, "no row below its header"),
        (rows_of(lambda number: "ant"), {"targets": "kind"}, "At least two classes"),
    ],
)
def test_a_wrong_table_is_told(table, rows, arguments, message):
    with pytest.raises(ValueError, match=message):
        data.image_table(table(rows), 8, **arguments)


def test_an_unknown_split_is_told(table):
    file = table(rows_of(kind, lambda number: "later"), "path,kind,split")
    with pytest.raises(ValueError, match=r"Row 2 .* train, validation or test .*'later'"):
        data.image_table(file, 8, targets="kind")


def cells_of(texts):
    """Rows of a table with one column of targets."""
    return [f'images/{number:03d}.jpg,"{text}"' for number, text in enumerate(texts)]


FEW = ["upper;light", "upper", "lower;light", "", "lower", "upper;light"] * 2
MORE = ["upper;light", "lower", "light"] * 3


def test_a_cell_holds_several_labels(table):
    with pytest.warns(data.DataWarning, match=r"none of the labels: 2 in .* row 5"):
        splits = data.image_table(table(cells_of(FEW)), 8)
    assert splits.task == "labels" and splits.class_names == ("light", "lower", "upper")
    assert splits.class_counts["validation"] == {"light": 1, "lower": 1, "upper": 1}
    for split, paths in splits.paths.items():
        for path, row in zip(paths, splits.labels[split], strict=True):
            found = {name for name, one in zip(splits.class_names, row, strict=True) if one}
            assert found == set(FEW[int(path[-7:-4])].split(";")) - {""}
    _, labels = next(iter(splits.train_in_order))
    assert labels.dtype == "float32" and labels.shape == (len(splits.labels["train"]), 3)
    np.testing.assert_array_equal(labels, splits.labels["train"])


@pytest.mark.parametrize("marks", [("0", "1"), ("-1", "1"), ("no", "Yes"), ("False", "True")])
def test_columns_of_marks_are_labels(table, marks):
    rows = rows_of(lambda number: marks[number % 2], lambda number: marks[number % 3 > 0])
    splits = data.image_table(table(rows, "image,odd,rest"), 8, validation_split=None)
    assert (splits.task, splits.class_names) == ("labels", ("odd", "rest"))
    assert splits.labels["train"][:4] == ((0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0))


def test_numbers_are_divided_by_size(folder):
    root = folder({"images": 50})
    rows = [f"images/{number:03d}.jpg,{number / 7:.3f},{-number}" for number in range(50)]
    (root / "labels.csv").write_text("\n".join(["path,age,depth", *rows]))
    splits = data.image_table(root / "labels.csv", 8, targets=["age", "depth"])
    assert (splits.task, splits.class_names) == ("numbers", ("age", "depth"))
    first = sorted(row[0] * 7 for row in splits.labels["validation"])
    assert [int(value // 9.99) for value in first] == [n for n in range(5) for _ in range(2)]
    with pytest.raises(ValueError, match="There are no classes: the images have numbers"):
        splits.class_counts  # noqa: B018
    with pytest.raises(ValueError, match=r"--balance\) needs one class for each example"):
        splits.balanced_class_weight  # noqa: B018
    folds = [
        data.image_table(root / "labels.csv", 8, targets="age", fold=(index, 5)).labels["test"]
        for index in range(5)
    ]
    assert sorted(row for fold in folds for row in fold) == sorted(
        (round(number / 7, 3),) for number in range(50)
    )


SPACED = ["haze primary", "haze", "primary water", "water", "haze water", "haze primary water"]


@pytest.mark.parametrize(
    ("texts", "task"),
    [
        (["ant", "bee"], "classes"),
        (["golden retriever", "beagle"], "classes"),
        (["3", "7", "11"], "classes"),
        ([f"{number:03d}" for number in range(30)], "classes"),
        ([str(number) for number in range(30)], "numbers"),
        (["1.5", "2", "2.5"], "numbers"),
        (["ant|bee", "ant"], "labels"),
        (["ant, bee", "ant", "bee, wasp"], "labels"),
        (["['ant', 'bee']", "[]", "['ant']"], "labels"),
        (["Smith, J.", "Miller, A."], "classes"),
        (SPACED, "labels"),
        (["light upper", "light lower", "dark upper", "dark lower"], None),
    ],
)
def test_the_cells_decide_what_they_are(texts, task):
    if task is None:
        with pytest.raises(ValueError, match=r"pass `task='classes'` or `task='labels'` \(--t"):
            read_targets([[text] for text in texts], ["kind"], None, "a.csv")
    else:
        assert read_targets([[text] for text in texts], ["kind"], None, "a.csv").task == task


def test_the_user_says_what_the_cells_are(table):
    rows = cells_of(["light upper", "dark lower", "light lower", "dark upper"] * 3)
    with pytest.raises(ValueError, match=r"column 'kind' of .* may hold .*Received: 'dark low"):
        data.image_table(table(rows), 8)
    assert data.image_table(table(rows), 8, task="labels").class_names == (
        "dark", "light", "lower", "upper",
    )  # fmt: skip
    assert "dark lower" in data.image_table(table(rows), 8, task="classes").class_names
    with pytest.raises(ValueError, match=r"`task` must be one of .*Received: task='tags'"):
        data.image_table(table(rows), 8, task="tags")


def test_whole_numbers_are_told_to_be_measurements():
    found = read_targets([[str(number)] for number in range(30)], ["age"], None, "a.csv")
    assert "pass `task='classes'` (--task classes) if they are classes" in found.messages[0]
    assert not read_targets([["1"], ["2"]], ["age"], "numbers", "a.csv").messages


def test_a_label_of_one_image_is_told_with_its_row(table):
    with pytest.warns(data.DataWarning, match="Only row 4 has the label 'lihgt'"):
        data.image_table(table(cells_of(["upper;light", "lower", "lihgt;upper", *MORE])), 8)


@pytest.mark.parametrize(
    ("texts", "arguments", "message"),
    [
        ([*["1.5", "2.5"] * 5, "n/a", "3"], {}, "Row 12 of .* no number in .*'kind'.*'n/a'"),
        ([*["1.5", "2.5"] * 5, "nan", "3"], {}, "Row 12 of .* no finite number .*'nan'"),
        ([*["1.5", "2.5"] * 5, "", "3"], {}, "Row 12 of .* no number in its column 'kind'"),
        (["4"] * 12, {"task": "numbers"}, "same number in all rows: there is nothing to learn"),
        ([""] * 12, {"task": "labels"}, "no label in any row"),
    ],
)
def test_a_wrong_target_is_told(table, texts, arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        data.image_table(table(cells_of(texts)), 8, **arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("", r"Row 2 of .* needs 0 or 1 in its column 'odd'"),
        ("-1", r"hold 1, 0 and -1, where -1 may mean unknown"),
        ("x", r"Row 2 of .* no number in its column 'odd'"),
    ],
)
def test_a_wrong_mark_is_told(table, first, message):
    rows = rows_of(lambda number: str(number % 2) if number else first, lambda number: "1")
    with pytest.raises(ValueError, match=message):
        data.image_table(table(rows, "path,odd,all"), 8, targets=["odd", "all"])


def test_a_header_that_leaves_doubt_is_asked_about(table):
    file = table(rows_of(kind, kind), "path,kind,sort")
    with pytest.raises(ValueError, match=r"\(--targets COLUMN\); the columns are \['kind', 's"):
        data.image_table(file, 8)
    assert data.image_table(table(rows_of(kind, kind), "path,kind,label"), 8).task == "classes"


def test_a_table_without_a_header_is_told(table):
    first, *rows = rows_of(kind)
    with pytest.raises(ValueError, match=r"has no header: add .* the file 'images/000.jpg'"):
        data.image_table(table(rows, first), 8)
    with pytest.raises(ValueError, match=r"names a column twice\. Received: targets=\['kind'"):
        data.image_table(table(rows), 8, targets=["kind", "kind"])


def test_a_table_names_files_of_another_folder_without_suffixes(table, tmp_path):
    file = tmp_path / "labels.csv"
    root = table([]).parent
    rows = [f"{number:03d},{kind(number)}" for number in range(10)]
    file.write_text("\n".join(["id,kind", *rows]))
    with pytest.warns(data.DataWarning, match=r"does not name them: 2 files, such as '010.j"):
        splits = data.image_table(file, 8, directory=root / "images")
    assert splits.num_images == {"train": 8, "validation": 2}
    (root / "images" / "003.png").write_bytes((root / "images" / "003.jpg").read_bytes())
    with pytest.raises(ValueError, match=r"Row 5 .* names no file .*003.jpg.*: add the suffix"):
        data.image_table(file, 8, directory=root / "images")


def test_an_absent_table_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        data.image_table(tmp_path / "labels.csv", 8, targets="kind")
    (tmp_path / "bytes.csv").write_bytes(np.random.default_rng(0).bytes(300))
    with pytest.raises(ValueError, match="not a CSV file"):
        data.image_table(tmp_path / "bytes.csv", 8, targets="kind")
