"""Arrays in pieces on disk, each whole or not there."""

import io
import json
import math
import pathlib
import zlib

import numpy as np

from keras_transfer._files import write_aside

# A kill loses what a shard takes to compute; a shard costs a few file operations.
_SHARD_BYTES = 16 * 2**20
_MOST_ROWS = 4096


class ShardStore:
    """The rows of several arrays, in shards of equally many.

    A shard is one `.npy` file for each array, and a `.json` beside them that holds their
    checksums and is written last: a shard without it is not there.

    Args:
        directory: the folder.
        num_rows: the number of rows of all shards.
        specs: a `(shape, dtype)` for each array, of one row.
        rows_multiple: the number of rows in a shard is a multiple of this. Defaults to 32.

    Attributes:
        num_shards: how many shards there are when all are there.
        rows_per_shard: rows in each shard but the last.
    """

    def __init__(self, directory, num_rows, specs, rows_multiple=32):
        self.directory = pathlib.Path(directory)
        self.num_rows = num_rows
        self.specs = [(tuple(shape), np.dtype(dtype)) for shape, dtype in specs]
        fitting = _SHARD_BYTES // max(self.row_bytes, 1) // rows_multiple
        self.rows_per_shard = min(max(fitting, 1) * rows_multiple, _MOST_ROWS)
        self.num_shards = math.ceil(num_rows / self.rows_per_shard)

    @property
    def row_bytes(self):
        """The size of a row of all arrays."""
        return sum(math.prod(shape) * dtype.itemsize for shape, dtype in self.specs)

    def rows_of(self, shard):
        """The first row of a shard and the one after its last."""
        start = shard * self.rows_per_shard
        return start, min(start + self.rows_per_shard, self.num_rows)

    def path(self, shard, array):
        """The file of an array's rows in a shard."""
        return self.directory / f"{shard:05d}.{array}.npy"

    def write(self, shard, arrays):
        """Writes a shard; until its last file is renamed into place, it is not there.

        Args:
            shard: its number.
            arrays: the arrays, each with all rows of this shard.
        """
        checksums = []
        for number, (array, (_, dtype)) in enumerate(zip(arrays, self.specs, strict=True)):
            contents = _as_npy(np.asarray(array, dtype))
            checksums.append(zlib.crc32(contents))
            _write(self.path(shard, number), contents)
        _write(self._sidecar(shard), json.dumps({"crc32": checksums}).encode())

    def missing(self):
        """The numbers of the shards that are not there or are damaged."""
        return [shard for shard in range(self.num_shards) if not self._is_whole(shard)]

    def read(self, shard):
        """The arrays of a shard."""
        arrays = range(len(self.specs))
        return [np.load(self.path(shard, array), allow_pickle=False) for array in arrays]

    def _sidecar(self, shard):
        return self.directory / f"{shard:05d}.json"

    def _is_whole(self, shard):
        try:
            checksums = json.loads(self._sidecar(shard).read_bytes())["crc32"]
            files = [self.path(shard, array).read_bytes() for array in range(len(self.specs))]
            if checksums != [zlib.crc32(contents) for contents in files]:
                return False
            start, stop = self.rows_of(shard)
            return all(
                _is_array(contents, (stop - start, *shape), dtype)
                for contents, (shape, dtype) in zip(files, self.specs, strict=True)
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return False


def _as_npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getbuffer()


def _is_array(contents, shape, dtype):
    """Whether a file is what `_as_npy` makes of an array of this shape and type."""
    file = io.BytesIO(contents)
    if np.lib.format.read_magic(file) != (1, 0):
        return False
    header = np.lib.format.read_array_header_1_0(file)
    size = len(contents) - file.tell()
    return header == (shape, False, dtype) and size == math.prod(shape) * dtype.itemsize


def _write(path, contents):
    write_aside(path, lambda aside: pathlib.Path(aside).write_bytes(contents))
