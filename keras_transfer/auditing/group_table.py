"""The groups of pictures from a table beside them."""

import csv
import os
import pathlib

_PATH = "path"
# Of equals the first.
_DELIMITERS = (",", ";", "\t")


def groups_from_csv(file, column, splits, directory=None):
    """The group of each picture, from a CSV file with a column `path` and others.

    Args:
        file: the CSV file, in UTF-8, with commas, semicolons or tabs between the cells, its
            first row the names of the columns. Paths in it are absolute, or relative to
            `directory` or to the file.
        column: the name of the column with the groups.
        splits: an `ImageSplits` of files.
        directory: the folder that `splits` was read from. Defaults to None.

    Returns:
        Dict from split to a list with the group of each picture; None for a picture that the
        file does not name, or whose cell is empty.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no such table, names none of the pictures, or one in two groups.
    """
    file = pathlib.Path(file)
    bases = [file.parent, *([] if directory is None else [directory])]
    found = {}
    for row in _rows(file, column):
        for base in bases:
            path = os.path.realpath(os.path.join(base, row[_PATH]))
            group = row[column] or found.get(path)
            if found.setdefault(path, group) not in (None, group):
                raise ValueError(
                    f"'{file}' names {row[_PATH]!r} in two groups: {found[path]!r} and "
                    f"{group!r}. Received: column={column!r}"
                )
            found[path] = group
    groups = {
        split: [found.get(os.path.realpath(path)) for path in paths]
        for split, paths in splits.paths.items()
    }
    if not any(group is not None for named in groups.values() for group in named):
        example = next((path for paths in splits.paths.values() for path in paths), None)
        raise ValueError(
            f"'{file}' names none of the pictures in its column '{_PATH}': paths are relative "
            f"to the folder of the pictures or to the file; or all cells of the column "
            f"{column!r} are empty. A picture: {example!r}. "
            f"Received: file={os.fspath(file)!r}"
        )
    return groups


def _rows(file, column):
    try:
        with open(file, encoding="utf-8-sig", newline="") as opened:
            delimiter = _delimiter(opened.readline())
            opened.seek(0)
            table = csv.DictReader(opened, delimiter=delimiter)
            rows, columns = list(table), table.fieldnames or []
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(
            f"'{file}' is no CSV file in UTF-8: {error}. Received: file={os.fspath(file)!r}"
        ) from error
    missing = [name for name in (_PATH, column) if name not in columns]
    if missing:
        raise ValueError(
            f"'{file}' has no column {missing[0]!r}; its columns are {columns}. "
            f"Received: column={column!r}"
        )
    return [row for row in rows if row[_PATH]]


def _delimiter(heads):
    """What stands between the cells of the first line: what there is most of."""
    return max(_DELIMITERS, key=heads.count)
