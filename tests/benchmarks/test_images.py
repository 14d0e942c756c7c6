import pytest

from benchmarks import images


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a data set with a split and one without."""
    for label in ("ants", "bees"):
        for place in (f"whole/{label}", f"divided/train/{label}", f"divided/val/{label}"):
            (tmp_path / place).mkdir(parents=True)
            for number in range(1 if "val" in place else 11):
                (tmp_path / place / f"{label}{number}.jpg").write_bytes(b"image")
    monkeypatch.setenv("KERAS_TRANSFER_DATA", str(tmp_path))
    return tmp_path


def names_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))


def test_a_folder_without_split_is_divided_by_links_that_are_removed(folder):
    with images.opened("whole") as opened:
        assert set(opened.splits) == {"train", "validation"}
        # Sorted by name: 0, 1, 10, 2, 3, 4, ...: the fifth is 3, the tenth 8.
        assert names_below(opened.splits["validation"]) == [
            "ants/ants3.jpg", "ants/ants8.jpg", "bees/bees3.jpg", "bees/bees8.jpg",
        ]  # fmt: skip
        assert len(names_below(opened.splits["train"])) == 18
        images.read_once(opened.path)
    assert not opened.path.exists()
    assert len(names_below(folder / "whole")) == 22


def test_a_given_split_is_used_where_it_is(folder):
    with images.opened("divided") as opened:
        assert opened.path == folder / "divided"
        assert opened.splits["validation"] == folder / "divided" / "val"
    assert opened.path.exists()


@pytest.mark.parametrize(("name", "validation"), [("whole", 4), ("divided", 2)])
def test_a_limit_holds_for_each_class_and_split(folder, name, validation):
    with images.opened(name, limit=2) as opened:
        assert len(names_below(opened.splits["train"])) == 4
        assert len(names_below(opened.splits["validation"])) == validation


def test_absent_data_are_refused(monkeypatch, folder):
    with pytest.raises(FileNotFoundError, match="No such data set"):
        images.opened("x").__enter__()
    monkeypatch.setenv("KERAS_TRANSFER_DATA", str(folder / "none"))
    with pytest.raises(FileNotFoundError, match="Set KERAS_TRANSFER_DATA"):
        images.data_folder()
