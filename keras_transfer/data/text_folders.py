"""Texts from a folder with a subfolder for each class."""

import collections.abc
import os

from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.labelled_files import labelled_files
from keras_transfer.data.row_splits import RowOptions

_SUFFIX = ".txt"
# A text of a network has a few hundred words; this much is a mistake.
_MOST_BYTES = 10 * 2**20


def text_folder(
    directory: str | os.PathLike,
    group: collections.abc.Callable | collections.abc.Mapping | str | None = None,
    *,
    batch_size: int = 32,
    validation_split: float | None = 0.2,
    seed: int = 0,
    shuffle: bool = True,
    fold: tuple[int, int] | None = None,
    class_names: collections.abc.Sequence[str] | None = None,
    on_unreadable: str = "raise",
    labels: str | os.PathLike | None = None,
    images: str | None = None,
    targets: str | None = None,
    task: str | None = None,
) -> ImageSplits:
    """Reads the `.txt` files of a folder that has a subfolder for each class.

    The folder may hold `train`, `validation` and `test`, each with the folders of the classes.
    Subfolders of a class folder belong to the class.

    Args:
        directory: the folder.
        group: as in `audio_folder`: the author of each text.
        batch_size: as in `text_table`, as all that follow.
        validation_split: fraction of each class.
        seed: of the split and of the order.
        shuffle: whether the order changes in each epoch.
        fold: `(index, number)` for cross-validation.
        class_names: as in `image_folder`.
        on_unreadable: as in `audio_folder`.
        labels: as in `audio_folder`, as the next two.
        images: the column with the files.
        targets: the column with the classes.
        task: as in `text_table`.

    Returns:
        An `ImageSplits`, whose examples are texts.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if there are no two classes, or a file is empty or not in UTF-8.

    Example:
        >>> import pathlib
        >>> for number in range(6):
        ...     folder = pathlib.Path("reviews") / ("good" if number % 2 else "bad")
        ...     folder.mkdir(parents=True, exist_ok=True)
        ...     _ = (folder / f"{number}.txt").write_text(f"review {number}")
        >>> data.text_folder("reviews", validation_split=0.3).class_names
        ('bad', 'good')
    """
    received = repr(os.fspath(directory))
    options = RowOptions(
        received, batch_size, validation_split, seed, shuffle, fold, class_names, on_unreadable
    )
    files, groups, noted = labelled_files(
        directory, (_SUFFIX,), options, group, labels, images, targets, task
    )
    rows, unreadable, messages = options.contents(files, groups, read_text, "texts", directory)
    messages += noted
    return options.splits(rows, messages=messages, directory=directory, unreadable=unreadable)


def read_text(path):
    """The text in a file; raises `ValueError` if it is none."""
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise ValueError("no file, or one of more than 10 MB")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not a text in UTF-8: {error}") from error
    if not text.strip():
        raise ValueError("has no text")
    return text
