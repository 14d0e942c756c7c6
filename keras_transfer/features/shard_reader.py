"""Rows of a shard store in any order, without holding them all."""

import contextlib

import numpy as np


class ShardReader:
    """Reads single rows from the files of a complete `ShardStore`.

    The files are opened once and stay open, so that they can be removed meanwhile. Rows are
    read with `seek` and `read`, not mapped: mapped pages count as memory of the process, and
    would fill it with the whole store.

    Args:
        store: a complete `ShardStore`.

    Attributes:
        store: the same.
    """

    def __init__(self, store):
        self.store = store
        self._opened = contextlib.ExitStack()
        self._files = [
            [self._open(store.path(shard, array)) for array in range(len(store.specs))]
            for shard in range(store.num_shards)
        ]
        # The header's length depends on the shape, which the last shard has for itself.
        self._offsets = [[_header_size(file) for file in files] for files in self._files]

    def rows(self, start, stop):
        """The rows from `start` up to `stop`, a list with one array each for each array."""
        arrays = [np.empty((stop - start, *shape), dtype) for shape, dtype in self.store.specs]
        for shard in range(start // self.store.rows_per_shard, self.store.num_shards):
            first, end = self.store.rows_of(shard)
            if first >= stop:
                break
            begin, end = max(start, first), min(stop, end)
            parts = [array[begin - start : end - start] for array in arrays]
            self._read_into(parts, shard, begin - first)
        return arrays

    def _read_into(self, arrays, shard, row):
        """Fills arrays with what begins at a row of a shard."""
        files = zip(arrays, self._files[shard], self._offsets[shard], strict=True)
        for array, file, offset in files:
            file.seek(offset + row * (array.nbytes // len(array)))
            if file.readinto(memoryview(array).cast("B")) != array.nbytes:
                raise OSError(f"'{file.name}' ended before its row {row + len(array)}.")

    def _open(self, path):
        return self._opened.enter_context(open(path, "rb", buffering=0))

    def close(self):
        """Closes the files."""
        self._opened.close()

    def __del__(self):
        if hasattr(self, "_opened"):
            self.close()


def _header_size(file):
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    read_header(file)
    return file.tell()
