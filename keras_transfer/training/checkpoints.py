"""The state of a training in files, of which the last two are kept."""

import json
import pathlib
import re
import warnings

import numpy as np

from keras_transfer._files import write_aside
from keras_transfer._records import read_arrays

_NAME = re.compile(r"checkpoint-(\d{6,})\.npz")
_STATE, _ARRAY = "state", "__array__"
_FORMAT = "keras_transfer checkpoint 1"
_KEPT = 2


class Checkpoints:
    """The checkpoints of one training.

    Each is one `.npz` file, read without pickle, and is either whole or absent. The format
    holds a checksum of each array; a corrupt file is skipped.

    Args:
        directory: the folder; it is made with the first checkpoint.
    """

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def write(self, state):
        """Writes a state, and removes all checkpoints but this one and the one before.

        Args:
            state: a dict with strings as keys, of numbers, strings, arrays, lists and dicts. A
                tuple is read back as a list.

        Returns:
            The file.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        numbered = self._numbered()
        path = self.directory / f"checkpoint-{max(numbered, default=0) + 1:06d}.npz"
        arrays = _arrays_of(state)
        write_aside(path, lambda aside: np.savez(aside, **arrays))
        for number in sorted(numbered)[: -(_KEPT - 1)]:
            numbered[number].unlink(missing_ok=True)
        return path

    def exist(self):
        """Whether there is any checkpoint."""
        return bool(self._numbered())

    def latest(self):
        """The last state that was written and is whole, or None.

        Warns of a corrupt file.
        """
        numbered = self._numbered()
        for number in sorted(numbered, reverse=True):
            try:
                return _read(numbered[number])
            # zipfile, NumPy and the decompressor raise different errors for a corrupt file.
            except Exception as error:
                warnings.warn(
                    f"The checkpoint '{numbered[number]}' is corrupt ({error}). The one before "
                    "it is used.",
                    stacklevel=2,
                )
        return None

    def _numbered(self):
        """The files by number."""
        if not self.directory.is_dir():
            return {}
        names = {path.name: path for path in self.directory.iterdir() if path.is_file()}
        found = {_NAME.fullmatch(name): path for name, path in names.items()}
        return {int(match[1]): path for match, path in found.items() if match}


def _arrays_of(state):
    """Arrays by name: those of the state, and its text, in which numbers stand for them."""
    arrays = {}

    def packed(value):
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray) and value.dtype != object:
            name = f"{len(arrays):05d}"
            arrays[name] = value
            return {_ARRAY: name}
        raise TypeError(f"A state holds numbers, strings and arrays. Received: {value!r}")

    text = json.dumps({_FORMAT: state}, default=packed)
    return {**arrays, _STATE: np.frombuffer(text.encode(), "uint8")}


def _read(path):
    arrays = read_arrays(path)
    found = json.loads(
        arrays[_STATE].tobytes().decode(),
        object_hook=lambda part: arrays[part[_ARRAY]] if _ARRAY in part else part,
    )
    if not isinstance(found, dict) or _FORMAT not in found:
        raise ValueError("it is not a checkpoint of this library, or of another version")
    return found[_FORMAT]
