"""Texts from a CSV file."""

import collections.abc
import os
import pathlib

from keras_transfer.data.file_splits import skipped_messages
from keras_transfer.data.image_folders import split_of
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.metadata import cell, csv_rows
from keras_transfer.data.row_splits import Row, RowOptions
from keras_transfer.data.targets import check_classes

TEXT_COLUMNS = ("text", "sentence")
_LABEL, _SPLIT = ("label", "class"), ("split",)


def text_table(
    file: str | os.PathLike,
    text: str | None = None,
    label: str | None = None,
    split: str | None = None,
    group: str | None = None,
    *,
    task: str | None = None,
    batch_size: int = 32,
    validation_split: float | None = 0.2,
    seed: int = 0,
    shuffle: bool = True,
    fold: tuple[int, int] | None = None,
    class_names: collections.abc.Sequence[str] | None = None,
    on_unreadable: str = "raise",
) -> ImageSplits:
    """Reads texts, each with its class, from a CSV file.

    Without a validation set in the file, a part of each class becomes one; equal texts stay on
    one side. An element of each dataset is `(texts, labels)`: strings of shape `(batch,)` and
    int32 labels. `backbones.Backbone.from_preset` and `from_vectors` take such texts.

    Args:
        file: the CSV file in UTF-8, with a header and with commas, semicolons or tabs between
            the cells.
        text: the name of the column with the texts. Defaults to None: "text" or "sentence".
        label: the name of the column with the classes. Defaults to None: "label" or "class".
        split: the name of the column with the split of each text: train, validation or test.
            Defaults to None: "split" if there is one, else all texts are for training.
        group: the name of a column: all texts of a group, for example an author, are on one
            side of the split; an empty cell is no group. Defaults to None.
        task: "classes" if "NA", "none" and other words for a missing value are classes.
            Defaults to None: they are errors.
        batch_size: texts in a batch. Defaults to 32.
        validation_split: fraction of each class; None to train on all texts. Defaults to 0.2.
        seed: of the split and of the order. Defaults to 0.
        shuffle: whether the order changes in each epoch. Defaults to True.
        fold: `(index, number)`: the texts of one fold become the test set. Defaults to None.
        class_names: as in `image_folder`.
        on_unreadable: "raise" for an error about a row without a text; "skip" leaves it out.

    Returns:
        An `ImageSplits`, whose examples are texts.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file lacks a column, or a row has no text, no class or an unknown
            split.

    Example:
        >>> words = ("good", "bad")
        >>> rows = [f"this is {word} number {n},{word}" for word in words for n in range(5)]
        >>> with open("reviews.csv", "w") as file:
        ...     _ = file.write("\\n".join(["text,label", *rows]))
        >>> splits = data.text_table("reviews.csv")
        >>> splits.class_names, splits.num_images
        (('bad', 'good'), {'train': 8, 'validation': 2})
    """
    received = repr(os.fspath(file))
    options = RowOptions(
        received, batch_size, validation_split, seed, shuffle, fold, class_names, on_unreadable
    )
    if task not in (None, "classes"):
        raise ValueError(f"A text has one class. Received: task={task!r}")
    named = {"text": text, "label": label, "split": split, "group": group}
    rows = csv_rows(file, {name: column for name, column in named.items() if column})
    if not rows:
        raise ValueError(f"'{file}' has no row below its header. Received: {received}")
    text = text or text_column(rows, file)
    label = label or _found(rows[0], _LABEL, "`label` (--targets)", received)
    split = split or next((name for name in _SPLIT if name in rows[0]), None)
    name = pathlib.Path(file).name
    labels = [cell(row, label) for row in rows]
    messages = check_classes(labels, label, file, task)
    found, unreadable = [], []
    for number, row in enumerate(rows, 2):  # as a spreadsheet counts them
        where = f"Row {number} of '{file}'"
        words = row.get(text) or ""
        if not words.strip():
            if on_unreadable == "raise":
                raise ValueError(
                    f"{where} has no text. Remove it, or pass `on_unreadable='skip'` "
                    f"(--on-unreadable skip) to leave it out. Received: {words!r}"
                )
            unreadable.append((where, "has no text"))
            continue
        found.append(
            Row(
                words,
                labels[number - 2],
                "train" if split is None else split_named(row, split, where),
                cell(row, group) or None,
                f"{name}:{number}",
            )
        )
    if not found:
        raise ValueError(f"No row of '{file}' has a text. Received: text={text!r}")
    messages = [
        *(messages if class_names is None else ()),
        *skipped_messages(unreadable, len(rows), "texts", "without a word"),
    ]
    return options.splits(found, messages=messages, unreadable=unreadable)


def text_column(rows, file):
    """The name of the column with the texts; raises `ValueError` if there is none."""
    return _found(
        rows[0] if rows else {}, TEXT_COLUMNS, "`text` (--text)", repr(os.fspath(file))
    )


def _found(row, names, arguments, received):
    column = next((name for name in names if name in row), None)
    if column is None:
        raise ValueError(
            f"Name the column with {arguments}: the file has no column "
            f"{' or '.join(map(repr, names))}, but {list(row)}. Received: {received}"
        )
    return column


def split_named(row, column, where):
    """The split in a cell; raises `ValueError` if it is none."""
    name = cell(row, column)
    found = split_of(name)
    if found is None:
        raise ValueError(
            f"{where} must say train, validation or test in {column!r}. Received: {name!r}"
        )
    return found
