import pytest

from benchmarks import picture_folders


def touch(directory, *names):
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_bytes(name.encode())


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder with a data set with a split and one without."""
    for label in ("ants", "bees"):
        names = [f"{label}{number}.jpg" for number in range(11)]
        touch(tmp_path / "whole" / label, *names)
        touch(tmp_path / "divided" / "train" / label, *names)
        touch(tmp_path / "divided" / "val" / label, "a.jpg")
    monkeypatch.setenv("KERAS_TRANSFER_DATA", str(tmp_path))
    return tmp_path


def names_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))


@pytest.mark.parametrize(
    ("files", "validation"),
    [(range(1, 13), [5, 10]), (range(1, 5), []), ([], []), (range(1, 6), [5])],
)
def test_every_fifth_file_is_for_validation(files, validation):
    train, found = picture_folders.every_fifth(list(files))
    assert found == validation
    assert train == [file for file in files if file not in validation]


def test_a_folder_without_split_is_divided_by_links_that_are_removed(data):
    with picture_folders.opened("whole") as folder:
        assert set(folder.splits) == {"train", "validation"}
        # Sorted by name: 0, 1, 10, 2, 3, 4, ...: the fifth is 3, the tenth 8.
        assert names_below(folder.splits["validation"]) == [
            "ants/ants3.jpg", "ants/ants8.jpg", "bees/bees3.jpg", "bees/bees8.jpg",
        ]  # fmt: skip
        assert len(names_below(folder.splits["train"])) == 18
        picture_folders.read_once(folder.path)
    assert not folder.path.exists()
    assert len(names_below(data / "whole")) == 22


def test_a_given_split_is_used_where_it_lies(data):
    with picture_folders.opened("divided") as folder:
        assert folder.path == data / "divided"
        assert folder.splits["validation"] == data / "divided" / "val"
    assert folder.path.exists()


@pytest.mark.parametrize("name", ["whole", "divided"])
def test_a_limit_holds_for_each_class_and_split(data, name):
    with picture_folders.opened(name, limit=2) as folder:
        assert len(names_below(folder.splits["train"])) == 4
        assert len(names_below(folder.splits["validation"])) in (2, 4)


def test_a_sample_is_the_same_each_time(data):
    folder = data / "whole"
    tree = picture_folders.sample(folder, 7)
    assert sum(map(len, tree.values())) == 7
    assert tree == picture_folders.sample(folder, 7)
    with pytest.raises(ValueError, match="Received: number=23"):
        picture_folders.sample(folder, 23)


def test_absent_data_say_what_to_set(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_TRANSFER_DATA", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="Set KERAS_TRANSFER_DATA"):
        picture_folders.data_folder()


def test_an_unknown_data_set_is_an_error(data):
    opened = picture_folders.opened("x")
    with pytest.raises(FileNotFoundError, match="No such data set"):
        opened.__enter__()
