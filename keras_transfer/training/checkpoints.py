"""States of a training in files, of which the last two are kept."""

import pathlib
import re
import warnings

import numpy as np

from keras_transfer._files import write_aside
from keras_transfer.training.state_codec import decode, encode

_NAME = re.compile(r"checkpoint-(\d{6,})\.npz")
_STATE = "state"
_KEPT = 2


class Checkpoints:
    """The checkpoints of one training.

    Each is one file of arrays (`.npz`, read without pickle) and appears as a whole or not at
    all. The format holds a checksum of each array; a damaged file is passed over.

    Args:
        directory: the folder; it is made with the first checkpoint.
    """

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def write(self, state):
        """Writes a state, and removes all checkpoints but this and the one before.

        Args:
            state: of numbers, strings, arrays, lists, tuples and dicts.

        Returns:
            The file.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        numbered = self._numbered()
        text, arrays = encode(state)
        named = {f"{number:05d}": array for number, array in enumerate(arrays)}
        named[_STATE] = np.frombuffer(text.encode(), "uint8")
        path = self.directory / f"checkpoint-{max(numbered, default=0) + 1:06d}.npz"
        write_aside(path, lambda aside: np.savez(aside, **named))
        for number in sorted(numbered)[: -(_KEPT - 1)]:
            numbered[number].unlink(missing_ok=True)
        return path

    def latest(self):
        """The last state that was written and is whole; None if there is none.

        Warns of a file that is damaged.
        """
        numbered = self._numbered()
        for number in sorted(numbered, reverse=True):
            try:
                return _read(numbered[number])
            # Damage is met with whatever zipfile, NumPy or the decompressor ran into.
            except Exception as error:
                warnings.warn(
                    f"The checkpoint '{numbered[number]}' is damaged ({error}); the one before "
                    "it is used.",
                    stacklevel=2,
                )
        return None

    def _numbered(self):
        """The files by number."""
        if not self.directory.is_dir():
            return {}
        names = {path.name: path for path in self.directory.iterdir()}
        found = {_NAME.fullmatch(name): path for name, path in names.items()}
        return {int(match[1]): path for match, path in found.items() if match}


def _read(path):
    with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
        names = sorted(name for name in file.files if name != _STATE)
        # To read a member is to compare its checksum.
        return decode(file[_STATE].tobytes().decode(), [file[name] for name in names])
