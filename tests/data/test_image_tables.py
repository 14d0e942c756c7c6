import numpy as np
import pytest

from keras_transfer import data


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
    splits = data.image_table(table(rows_of(kind)), 8, label="kind")
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
    found = data.image_table(root / "labels.csv", 8, label="kind", path="image")
    assert found.paths == expected.paths and found.fingerprints == expected.fingerprints


def test_a_column_divides_the_images(table):
    def part(number):
        return ("train", "val", "Testing")[number % 3]

    splits = data.image_table(table(rows_of(kind, part), "file,kind,split"), 8, label="kind")
    assert splits.num_images == {"train": 4, "validation": 4, "test": 4}


def test_a_column_has_the_groups(table):
    def person(number):
        return f" {number % 3} " if number else ""

    file = table(rows_of(kind, person), "path,kind,person")
    splits = data.image_table(file, 8, label="kind", group="person", validation_split=0.4)
    train, validation = (set(splits.groups[split]) for split in ("train", "validation"))
    assert train | validation == {"0", "1", "2", None}
    assert not train & validation - {None}


@pytest.mark.parametrize(
    ("number", "row", "message"),
    [
        (3, "images/none.jpg,ant", "Row 5 of .* names no file in .*'images/none.jpg'"),
        (0, "../labels.csv,ant", "Row 2 of .* names a file outside .*'../labels.csv'"),
        (0, "/etc/hostname,ant", "Row 2 of .* names a file outside"),
        (11, ",ant", "Row 13 of .* names no file in its column 'path'"),
        (2, "images/002.jpg,", "Row 4 of .* has no class in its column 'kind'"),
        (2, "images/002.jpg", "Row 4 of .* has no class in its column 'kind'"),
        (2, "images/002.jpg,ant;bee", "Row 4 of .* several classes.*'ant;bee'"),
        (2, "images/002.jpg,ant|bee", "Row 4 of .* several classes"),
        (2, "images/001.jpg,ant", "Row 4 of .* the same file as row 3"),
    ],
)
def test_a_wrong_row_is_told_with_its_number(table, number, row, message):
    rows = rows_of(kind)
    rows[number] = row
    with pytest.raises(ValueError, match=message) as error:
        data.image_table(table(rows), 8, label="kind")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        (rows_of(kind), {"label": "sort"}, "no column 'sort'; its columns are .*label='sort'"),
        (rows_of(kind), {"label": "kind", "path": "file"}, "no column 'file'.*path='file'"),
        (rows_of(kind), {"label": "kind", "group": "who"}, "no column 'who'.*group='who'"),
        ([], {"label": "kind"}, "no row below its header"),
        (rows_of(lambda number: "ant"), {"label": "kind"}, "At least two classes"),
    ],
)
def test_a_wrong_table_is_told(table, rows, arguments, message):
    with pytest.raises(ValueError, match=message):
        data.image_table(table(rows), 8, **arguments)


def test_an_unknown_split_is_told(table):
    file = table(rows_of(kind, lambda number: "later"), "path,kind,split")
    with pytest.raises(ValueError, match=r"Row 2 .* train, validation or test .*'later'"):
        data.image_table(file, 8, label="kind")


def test_measurements_are_no_classes(folder):
    root = folder({"images": 30})
    rows = [f"images/{number:03d}.jpg,{number / 7:.3f}" for number in range(30)]
    (root / "labels.csv").write_text("\n".join(["path,age", *rows]))
    with pytest.raises(ValueError, match=r"30 different numbers.*`heads.DenseHead`"):
        data.image_table(root / "labels.csv", 8, label="age")


def test_an_absent_table_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        data.image_table(tmp_path / "labels.csv", 8, label="kind")
    (tmp_path / "bytes.csv").write_bytes(np.random.default_rng(0).bytes(300))
    with pytest.raises(ValueError, match="not a CSV file"):
        data.image_table(tmp_path / "bytes.csv", 8, label="kind")
