"""Rows of a table, each with its class."""

import collections.abc
import os

from keras_transfer.data.columns import arrays_of, cell_of, column_messages, kinds_of
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.metadata import cell, csv_rows
from keras_transfer.data.row_splits import Row, RowOptions, RowTask
from keras_transfer.data.targets import read_targets
from keras_transfer.data.text_tables import split_named


def table(
    file: str | os.PathLike,
    label: str | collections.abc.Sequence[str],
    columns: collections.abc.Sequence[str] | collections.abc.Mapping[str, str] | None = None,
    split: str | None = None,
    group: str | None = None,
    *,
    task: str | None = "classes",
    header: collections.abc.Sequence[str] | None = None,
    keep: collections.abc.Callable[[dict], bool] | None = None,
    batch_size: int = 32,
    validation_split: float | None = 0.2,
    seed: int = 0,
    shuffle: bool = True,
    fold: tuple[int, int] | None = None,
    class_names: collections.abc.Sequence[str] | None = None,
) -> ImageSplits:
    """Reads the rows of a CSV file, each with its class, its labels or its numbers.

    A column whose cells are all numbers, or missing, is a column of numbers: float32 of shape
    `(batch, 1)`, with NaN for a missing one. Any other is a column of categories: strings of
    shape `(batch, 1)`, "" for a missing one. An element of each dataset is `(columns, labels)`,
    a dict of name to column, and int32 labels. `backbones.Backbone.from_table` makes a network
    for it.

    Args:
        file: the CSV file in UTF-8 with commas, semicolons or tabs, also compressed (`.gz`).
        label: the name of the column with the classes; of labels or numbers also several.
        columns: the names of the columns to use; or a dict of name to "numbers" or
            "categories", where the cells should not decide. Defaults to None: all others.
        split: the name of the column with the split of each row: train, validation or test.
            Defaults to None: all rows are for training.
        group: the name of a column: all rows of a group are on one side of the split.
        task: "classes" (the default), "labels" or "numbers"; None: the cells decide, as in
            `image_table`.
        header: the names of the columns of a file that has no header. Defaults to None.
        keep: a function from a row, a dict of name to text, to whether it is used. Defaults to
            None, all rows.
        batch_size: as in `text_table`, as all that follow.
        validation_split: fraction of each class.
        seed: of the split and of the order.
        shuffle: whether the order changes in each epoch.
        fold: `(index, number)` for cross-validation.
        class_names: as in `image_folder`.

    Returns:
        An `ImageSplits`, whose examples are rows.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file lacks a column, or a row has no class.

    Example:
        >>> rows = [f"{age},{job},{job}" for age, job in [(30, "cook"), (50, "nurse")] * 5]
        >>> with open("people.csv", "w") as file:
        ...     _ = file.write("\\n".join(["age,town,job", *rows]))
        >>> splits = data.table("people.csv", label="job", columns=["age"])
        >>> next(iter(splits.validation))[0]["age"].shape
        TensorShape([2, 1])
    """
    received = repr(os.fspath(file))
    options = RowOptions(
        received, batch_size, validation_split, seed, shuffle, fold, class_names
    )
    named = {"label": label, "split": split, "group": group}
    named = {argument: name for argument, name in named.items() if name}
    targets = [label] if isinstance(label, str) else list(label)
    rows = csv_rows(file, named, header)
    numbered = [
        (number, row)
        for number, row in enumerate(rows, 1 if header else 2)
        if keep is None or keep(row)
    ]
    if not numbered:
        raise ValueError(f"'{file}' has no row to use. Received: {received}")
    shared = sorted({*targets} & {*(columns or ())})
    if shared:
        raise ValueError(
            f"A target is no input: leave it out of `columns` (--inputs). Received: {shared}"
        )
    # A column without a name holds the numbers of the rows, as pandas writes it.
    others = [name for name in rows[0] if name and name.strip()]
    columns = columns or [name for name in others if name not in (*targets, split, group)]
    kinds = kinds_of([row for _, row in numbered], columns, file)
    cells = [[cell(row, name) for name in targets] for _, row in numbered]
    read = read_targets(cells, targets, task, file, class_names)
    messages = column_messages([row for _, row in numbered], kinds, columns)
    found = [
        Row(
            tuple(cell_of(row, name) for name in kinds),
            target,
            "train" if split is None else split_named(row, split, f"Row {number} of '{file}'"),
            cell_of(row, group) or None,
            f"{os.path.basename(file)}:{number}",
        )
        for (number, row), target in zip(numbered, read.rows, strict=True)
    ]
    return options.splits(
        found,
        lambda cells: arrays_of(cells, kinds),
        "row",
        [*read.messages, *messages],
        task=RowTask(read.task, read.names),
    )
