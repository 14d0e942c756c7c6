"""JSON files, arrays and tables that may come from elsewhere: read as data, within limits.

Whatever is wrong with a file is a `ValueError` of one line, or an `OSError`.
"""

import csv
import dataclasses
import io
import json
import math
import os
import zipfile

import numpy as np

from keras_transfer._files import open_regular, read_regular

# Bytes of a JSON file or a table; commas and brackets, since a value takes up to 100 bytes.
_MOST_BYTES, _MOST_VALUES, _MOST_DEPTH = 64 * 10**6, 2 * 10**6, 100
_LONGEST_TEXT, _SHOWN = 10**5, 60
_MOST_ROWS, _MOST_COLUMNS = 10**5, 1000
_MOST_ARRAYS, _MOST_TIMES = 10**5, 4


def read_json(path, most=_MOST_BYTES, most_values=_MOST_VALUES):
    """The contents of a JSON file of at most `most` bytes: no key twice, no enormous values.

    Raises:
        ValueError: if it is not such a file.
        OSError: if it cannot be read, or is not a regular file.
    """
    content = read_regular(path, most)
    if sum(map(content.count, (b",", b"[", b"{"))) > most_values:
        raise ValueError(f"it has more than {most_values} values")
    try:
        found = json.loads(content, object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _check_values(found)
    return found


def _object(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has the key {_short(twice)} twice")
    return found


def _check_values(found):
    level = [found]
    for _ in range(_MOST_DEPTH):
        texts = [part for value in level if isinstance(value, dict) for part in value]
        for value in (*level, *texts):
            if isinstance(value, int) and abs(value) >= 2**63:
                raise ValueError(f"the integer {_short(value)} has more than 64 bits")
            if isinstance(value, str) and len(value) > _LONGEST_TEXT:
                raise ValueError(f"a text has {len(value)} characters: {_short(value)}")
        level = [part for value in level for part in _parts(value)]
        if not level:
            return
    raise ValueError("it is nested too deeply")


def _parts(value):
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


@dataclasses.dataclass(frozen=True)
class Number:
    """A number from `low` to `high`, an integer if it is `whole`."""

    low: float
    high: float
    whole: bool = False

    def __contains__(self, value):
        kinds = int if self.whole else (int, float)
        is_number = isinstance(value, kinds) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high

    def __str__(self):
        kind = "an integer" if self.whole else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}"


COUNT, SHARE = Number(0, 10**15, whole=True), Number(0, 1)
# Ten years.
SECONDS = Number(0, 3.2e8)
FINITE = Number(-1e300, 1e300)


@dataclasses.dataclass(frozen=True)
class Maybe:
    """None, or what a form describes."""

    form: object


@dataclasses.dataclass(frozen=True)
class Each:
    """An object with any keys, whose values a form describes."""

    form: object


def check(value, form, name="the file"):
    """Raises `ValueError` unless a value from a JSON file has a form.

    Args:
        value: the value.
        form: a `Number`; a class; `Maybe` or `Each` of a form; a list with the form of all
            elements; a tuple with the form of each element; or a dict of key to form, in
            which a key that ends in "?" may be absent, and other keys may stand.
        name: what the message calls the value.
    """
    if isinstance(form, Maybe):
        if value is not None:
            check(value, form.form, name)
    elif isinstance(form, Number):
        _require(value in form, value, form, name)
    elif isinstance(form, type):
        _require(type(value) is form, value, f"of type {form.__name__}", name)
    elif isinstance(form, (list, tuple)):
        _require(isinstance(value, list), value, "a list", name)
        if isinstance(form, tuple):
            _require(len(value) == len(form), value, f"a list of {len(form)}", name)
        forms = form if isinstance(form, tuple) else form * len(value)
        for index, (part, its_form) in enumerate(zip(value, forms, strict=True)):
            check(part, its_form, f"{name}[{index}]")
    elif isinstance(form, Each):
        _require(isinstance(value, dict), value, "an object", name)
        for key, part in value.items():
            check(part, form.form, f"{_short(key)} in {name}")
    else:
        _require(isinstance(value, dict), value, "an object", name)
        for key, its_form in form.items():
            known = key.removesuffix("?")
            if known in value:
                check(value[known], its_form, f"'{known}' in {name}")
            elif known == key:
                raise ValueError(f"{name} has no '{key}'")


def _require(holds, value, expected, name):
    if not holds:
        raise ValueError(f"{name} is {_short(value)}, not {expected}")


def _short(value):
    text = ascii(value) if not isinstance(value, int) or abs(value) < 2**63 else hex(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def read_arrays(path, most=None):
    """The arrays of an `.npz` file by name, read without pickle.

    Args:
        path: the file.
        most: bytes of all arrays. Defaults to None, the size of the file, which is then not
            compressed.

    Raises:
        ValueError: if it is not such a file.
        OSError: if it cannot be read, or is not a regular file.
    """
    with open_regular(path) as opened:
        most = os.fstat(opened.fileno()).st_size if most is None else most
        try:
            with zipfile.ZipFile(opened) as archive:
                return _arrays_in(archive, most)
        except (OSError, ValueError):
            raise
        # zipfile, NumPy and the decompressor raise many kinds of errors for a corrupt file.
        except Exception as error:
            raise ValueError(str(error) or type(error).__name__) from error


def check_archive(path):
    """Raises `ValueError` if a zip file would unpack to several times its size.

    Keras stores its files without compression.
    """
    with open_regular(path) as opened, zipfile.ZipFile(opened) as archive:
        total = sum(member.file_size for member in archive.infolist())
        size = os.fstat(opened.fileno()).st_size
    if total > max(_MOST_TIMES * size, _MOST_BYTES):
        raise ValueError(f"it unpacks from {size} to {total} bytes")


def _arrays_in(archive, most):
    members = {member.filename: member for member in archive.infolist()}
    if len(members) < len(archive.infolist()) or len(members) > _MOST_ARRAYS:
        raise ValueError(f"it has a member twice, or more than {_MOST_ARRAYS}")
    total = sum(member.file_size for member in members.values())
    if total > most:
        raise ValueError(f"its arrays have {total} bytes, more than {most}")
    found = {}
    for name, member in members.items():
        with archive.open(member) as file:
            _check_header(file, member.file_size)
        with archive.open(member) as file:
            # Reading to the end compares the checksum.
            found[name.removesuffix(".npy")] = np.lib.format.read_array(file)
    return found


def _check_header(file, size):
    """Raises unless a member is as large as its header says: the header decides the memory."""
    version = np.lib.format.read_magic(file)
    read = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0"}
    if version not in read:
        raise ValueError(f"an array has the format {version}")
    shape, _, dtype = getattr(np.lib.format, read[version])(file)
    is_whole = math.prod(shape) * dtype.itemsize + file.tell() == size
    if dtype.hasobject or min(shape, default=0) < 0 or not is_whole:
        raise ValueError(f"an array does not fit its header: {_short(shape)} of {dtype}")


def read_table(path):
    """The columns of a CSV file by name, as lists of texts.

    Raises:
        ValueError: if a row has another number of cells than the header, or the table is large.
        OSError: if it cannot be read, or is not a regular file.
    """
    text = read_regular(path, _MOST_BYTES).decode("utf-8")
    names, rows = None, []
    try:
        for row in csv.reader(io.StringIO(text, newline="")):
            names = row if names is None else names
            if len(row) not in (0, len(names)):
                raise ValueError(f"row {len(rows)} has {len(row)} cells, not {len(names)}")
            rows += [row] if row else []
            if len(rows) > _MOST_ROWS or len(names) > _MOST_COLUMNS:
                raise ValueError(f"more than {_MOST_ROWS} rows or {_MOST_COLUMNS} columns")
    except csv.Error as error:
        raise ValueError(str(error)) from error
    names = names or []
    if len(set(names)) < len(names):
        raise ValueError(f"a column stands twice: {_short(names)}")
    return {name: [row[place] for row in rows[1:]] for place, name in enumerate(names)}
