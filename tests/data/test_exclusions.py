import json
import os
import shutil

import pytest

from keras_transfer import data


def write_audit(file, root, errors=(), clusters=()):
    """An `audit.json` of the images of a folder, as `keras-transfer audit` writes it."""
    names = sorted(str(path) for path in root.rglob("*.jpg"))
    places = {os.path.relpath(name, root): index for index, name in enumerate(names)}
    clusters = [[places[name] for name in cluster] for cluster in clusters]
    pairs = [
        {"first": cluster[0], "second": other, "names": [names[cluster[0]], names[other]]}
        for cluster in clusters
        for other in cluster[1:]
    ]
    content = {
        "data": str(root),
        "duplicates": {"pairs": pairs, "clusters": clusters, "num_images": len(names)},
        "labels": {"errors": [{"name": names[places[name]]} for name in errors]},
    }
    file.write_text(json.dumps(content))
    return file


@pytest.fixture
def root(folder):
    return folder({"ants": 6, "bees": 6})


def read(root, **arguments):
    splits = data.image_folder(root, 8, validation_split=None, **arguments)
    kept = {os.path.relpath(path, root) for path in splits.paths["train"]}
    return splits, kept, {os.path.relpath(path, root) for path in splits.excluded}


def test_suspects_and_all_copies_but_one_are_left_out(root, tmp_path):
    audit = write_audit(
        tmp_path / "audit.json",
        root,
        errors=["ants/000.jpg", "bees/001.jpg"],
        clusters=[
            ["ants/000.jpg", "ants/001.jpg"],
            ["ants/002.jpg", "bees/002.jpg", "bees/003.jpg"],
        ],
    )
    message = (
        f"Left out 4 images that '{audit}' names: 2 whose label is likely wrong, 2 copies of "
        "others."
    )
    with pytest.warns(data.DataWarning) as record:
        splits, kept, excluded = read(root, exclude=audit)
    assert [str(warning.message) for warning in record] == [message] == list(splits.warnings)
    # Of the first two copies one is a suspect, so the other stays.
    assert excluded == {"ants/000.jpg", "bees/001.jpg", "ants/002.jpg", "bees/002.jpg"}
    assert len(kept) == 8 and not kept & excluded


def test_the_copy_in_the_test_set_stays(folder, tmp_path):
    root = folder({"train/a": 4, "train/b": 3, "test/a": 2, "test/b": 2})
    cluster = ["test/a/000.jpg", "train/a/001.jpg", "train/a/002.jpg"]
    names = sorted(cluster, key=lambda name: not name.startswith("train"))
    audit = write_audit(tmp_path / "audit.json", root, clusters=[names])
    content = json.loads(audit.read_text())
    # An audit counts through train first.
    order = {index: number for number, index in enumerate(content["duplicates"]["clusters"][0])}
    for pair in content["duplicates"]["pairs"]:
        pair["first"], pair["second"] = order[pair["first"]], order[pair["second"]]
    content["duplicates"]["clusters"] = [[0, 1, 2]]
    audit.write_text(json.dumps(content))
    with pytest.warns(data.DataWarning, match="Left out 2 images"):
        splits, _, excluded = read(root, exclude=audit)
    assert excluded == {"train/a/001.jpg", "train/a/002.jpg"}
    assert splits.num_images == {"train": 5, "test": 4}


def test_a_folder_may_have_moved_since_the_audit(root, tmp_path):
    audit = write_audit(tmp_path / "audit.json", root, errors=["ants/000.jpg"])
    moved = shutil.move(root, tmp_path / "elsewhere")
    with pytest.warns(data.DataWarning, match="Left out 1 images"):
        _, _, excluded = read(moved, exclude=audit)
    assert excluded == {"ants/000.jpg"}


def test_an_audit_without_findings_leaves_nothing_out(root, tmp_path):
    audit = write_audit(tmp_path / "audit.json", root)
    with pytest.warns(data.DataWarning, match="Left out 0 images"):
        _, kept, _ = read(root, exclude=audit)
    assert len(kept) == 12


def test_paths_are_left_out(root):
    paths = ["ants/000.jpg", root / "bees" / "001.jpg", "none.jpg"]
    with pytest.warns(data.DataWarning, match="Left out as requested: 2 images"):
        _, _, excluded = read(root, exclude=paths)
    assert excluded == {"ants/000.jpg", "bees/001.jpg"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text", "not an `audit.json`"),
        ("[]", "not an `audit.json`"),
        ("{}", "not an `audit.json`"),
        ('{"data": "/", "labels": {"errors": 3}, "duplicates": {}}', "not an `audit.json`"),
        (
            '{"data": "/", "labels": {"errors": [{"name": "/a.jpg"}]}, '
            '"duplicates": {"pairs": [], "clusters": []}}',
            "names images, but none of these data",
        ),
    ],
)
def test_a_file_that_is_no_audit_of_the_images_is_told(root, tmp_path, text, message):
    (tmp_path / "audit.json").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read(root, exclude=tmp_path / "audit.json")
    assert "\n" not in str(error.value) and "Received: exclude=" in str(error.value)


def test_an_absent_audit_is_told(root, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"No such file\. Received: exclude='.*none.json'"
    ):
        read(root, exclude=tmp_path / "none.json")
