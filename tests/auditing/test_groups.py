import numpy as np
import pytest
from scipy import stats

from keras_transfer import data
from keras_transfer.auditing import groups_from_csv
from keras_transfer.auditing.groups import group_accuracy
from tests.pictures import colour_folder


def test_interval_is_wilsons():
    correct = np.arange(20) < 15
    (group,) = group_accuracy(correct, ["a"] * 20)
    # Wilson 1927: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
    z, n, p = stats.norm.ppf(0.975), 20, 0.75
    middle, scale = p + z**2 / (2 * n), 1 + z**2 / n
    reach = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    np.testing.assert_allclose(
        group.interval, [(middle - reach) / scale, (middle + reach) / scale]
    )
    assert (group.accuracy, group.p_value, group.below) == (0.75, 1.0, False)


def test_a_group_below_the_rest_is_found():
    groups = np.repeat(["north", "south", "west"], 40)
    correct = np.ones(120, bool)
    correct[40:60] = False  # half of the south
    correct[[0, 90]] = False
    found = group_accuracy(correct, groups)
    assert [group.group for group in found] == ["south", "north", "west"]
    assert [group.below for group in found] == [True, False, False]
    # 3 groups, 20 of 40 right beside 78 of 80
    expected = 3 * stats.fisher_exact([[20, 20], [78, 2]], alternative="less").pvalue
    assert found[0].p_value == pytest.approx(expected)
    assert found[0].to_json()["accuracy"] == 0.5


def test_chance_alarms_no_more_often_than_the_level():
    random = np.random.default_rng(0)
    alarms = sum(
        any(group.below for group in group_accuracy(random.random(90) < 0.7, np.arange(90) % 9))
        for _ in range(200)
    )
    assert alarms <= stats.binom.ppf(0.999, 200, 0.05)


def test_images_without_a_group_are_left_out():
    found = group_accuracy([True, False, True], ["a", None, "b"])
    assert [(group.group, group.num_images) for group in found] == [("a", 1), ("b", 1)]
    assert group_accuracy([True], [None]) == ()


@pytest.fixture
def folder(tmp_path):
    return colour_folder(tmp_path / "photos", splits=("train", "test"), per_class=2)


def splits_of(folder):
    return data.image_folder(folder, image_size=16, validation_split=None)


@pytest.mark.parametrize("base", ["folder", "file", "absolute"])
def test_groups_come_from_a_table(folder, base):
    splits = splits_of(folder)
    place = folder.parent if base == "file" else folder.parent / "tables"
    place.mkdir(exist_ok=True)
    start = {"folder": "", "file": "photos/", "absolute": f"{folder}/"}[base]
    lines = ["camera,path", f"one,{start}train/red/1.png", f"two,{start}test/red/0.png"]
    lines += [f",{start}train/red/0.png", "one,elsewhere.png"]
    (place / f"{base}.csv").write_text("\n".join(lines), encoding="utf-8")
    groups = groups_from_csv(place / f"{base}.csv", "camera", splits, folder)
    named = {
        split: [
            (path[-9:], group)
            for path, group in zip(splits.paths[split], column, strict=True)
            if group
        ]
        for split, column in groups.items()
    }
    assert named == {"train": [("red/1.png", "one")], "test": [("red/0.png", "two")]}


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_table_may_have_other_delimiters(folder, tmp_path, delimiter):
    rows = [("path", "camera"), ("train/red/1.png", "one"), ("test/red/0.png", "a, b")]
    (tmp_path / "metadata.csv").write_text("\n".join(map(delimiter.join, rows)))
    groups = groups_from_csv(tmp_path / "metadata.csv", "camera", splits_of(folder), folder)
    assert {group for named in groups.values() for group in named} == {None, "one", "a, b"}


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"path,camera\n", "a group to none of the images"),
        (b"path,camera\nelsewhere.png,one\n", "a group to none of the images"),
        (b"file,camera\na,b\n", "has no column 'path'"),
        (b"path,camera\na,one\na,two\n", "names 'a' in two groups: 'one' and 'two'"),
        (b"path,lens\na,b\n", r"has no column 'camera'; its columns are \['path', 'lens'\]"),
        (b"", "has no column 'path'"),
        (b"\xff\xfe,", "is not a CSV file"),
    ],
)
def test_a_file_that_is_not_a_table_of_groups_is_refused(folder, tmp_path, contents, message):
    (tmp_path / "metadata.csv").write_bytes(contents)
    with pytest.raises(ValueError, match=message):
        groups_from_csv(tmp_path / "metadata.csv", "camera", splits_of(folder))
