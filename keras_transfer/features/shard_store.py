"""Arrays on disk in shards, each complete or absent."""

import contextlib
import io
import json
import math
import os
import pathlib
import weakref
import zlib

import numpy as np

from keras_transfer._files import read_regular, write_aside
from keras_transfer._records import read_json

# Images that are decoded, augmented and computed together; a shard holds whole batches. The
# batch is part of what an augmented view is: MixUp mixes within it.
BATCH_SIZE = 32
# A kill loses the computation of one shard; each shard costs a few file operations.
_SHARD_BYTES = 16 * 2**20
_MOST_ROWS = 4096
# Bytes of the checksums, and of the header of an array.
_MOST_BESIDE = 2**16
# Files that stay open, where the process may have as many.
_MOST_OPEN = 4096


class ShardStore:
    """The rows of several arrays in shards of equal size.

    A shard is one `.npy` file per array and a `.json` file with their checksums. The `.json`
    file is written last: a shard without it counts as missing. `specs` has the `(shape, dtype)`
    of one row for each array.
    """

    def __init__(self, directory, num_rows, specs):
        self.directory = pathlib.Path(directory)
        self.num_rows = num_rows
        self.specs = [(tuple(shape), np.dtype(dtype)) for shape, dtype in specs]
        batches = max(_SHARD_BYTES // max(self.row_bytes, 1) // BATCH_SIZE, 1)
        self.rows_per_shard = min(batches * BATCH_SIZE, _MOST_ROWS)
        self.num_shards = math.ceil(num_rows / self.rows_per_shard)

    @property
    def row_bytes(self):
        """The size of one row of all arrays."""
        return sum(math.prod(shape) * dtype.itemsize for shape, dtype in self.specs)

    def rows_of(self, shard):
        """The range of a shard's rows, as `(start, stop)`."""
        start = shard * self.rows_per_shard
        return start, min(start + self.rows_per_shard, self.num_rows)

    def path(self, shard, array):
        """The file of one array's rows in a shard."""
        return self.directory / f"{shard:05d}.{array}.npy"

    def write(self, shard, arrays):
        """Writes all rows of a shard, one array for each of `specs`."""
        checksums = []
        for number, (array, (_, dtype)) in enumerate(zip(arrays, self.specs, strict=True)):
            parts = _npy(np.ascontiguousarray(array, dtype))
            checksums.append(zlib.crc32(parts[1], zlib.crc32(parts[0])))
            _write(self.path(shard, number), parts)
        _write(self._sidecar(shard), [json.dumps({"crc32": checksums}).encode()])

    def missing(self):
        """The numbers of the shards that are absent or corrupt."""
        return [shard for shard in range(self.num_shards) if not self._is_whole(shard)]

    def _sidecar(self, shard):
        return self.directory / f"{shard:05d}.json"

    def _is_whole(self, shard):
        start, stop = self.rows_of(shard)
        try:
            checksums = read_json(self._sidecar(shard), _MOST_BESIDE)["crc32"]
            files = [self._content(shard, array) for array in range(len(self.specs))]
            return checksums == [zlib.crc32(contents) for contents in files] and all(
                _is_array(contents, (stop - start, *shape), dtype)
                for contents, (shape, dtype) in zip(files, self.specs, strict=True)
            )
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _content(self, shard, array):
        start, stop = self.rows_of(shard)
        shape, dtype = self.specs[array]
        size = (stop - start) * math.prod(shape) * dtype.itemsize
        return read_regular(self.path(shard, array), size + _MOST_BESIDE)


class _ShardFile:
    """A file that stays open as long as the process may have more open files.

    All files of a process count: half of its limit is left to others. A file beyond that is
    opened for each reading.
    """

    _num_open = 0

    def __init__(self, path):
        self.path, self._file = path, None
        file = _open(path)
        self.size = file.seek(0, os.SEEK_END)
        if _ShardFile._num_open < _most_open():
            _ShardFile._num_open += 1
            self._file = file
        else:
            file.close()

    def read_at(self, position, memory):
        """Fills memory from a position, and returns the number of bytes."""
        with contextlib.nullcontext(self._file) if self._file else _open(self.path) as file:
            file.seek(position)
            return file.readinto(memory)

    def close(self):
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
            _ShardFile._num_open -= 1


def _open(path):
    return open(path, "rb", buffering=0)


def _most_open():
    try:
        import resource
    except ImportError:  # Windows
        return _MOST_OPEN
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST_OPEN if limit == resource.RLIM_INFINITY else min(limit // 2, _MOST_OPEN)


class ShardReader:
    """Reads rows of a complete `ShardStore` in any order.

    The files stay open, so the store can be removed while it is read, unless there are more of
    them than the process may open. They are not mapped into memory: every page that was read
    would count as memory of the process.
    """

    def __init__(self, store):
        self.store = store
        opened = contextlib.ExitStack()
        weakref.finalize(self, opened.close)
        self._files = [
            [
                opened.enter_context(contextlib.closing(_ShardFile(store.path(shard, array))))
                for array in range(len(store.specs))
            ]
            for shard in range(store.num_shards)
        ]

    def rows(self, start, stop):
        """The rows from `start` to `stop`: a list with one array for each of `specs`."""
        store = self.store
        arrays = [np.empty((stop - start, *shape), dtype) for shape, dtype in store.specs]
        for shard in range(start // store.rows_per_shard, store.num_shards):
            first, end = store.rows_of(shard)
            if first >= stop:
                break
            begin, until = max(start, first), min(stop, end)
            for array, file in zip(arrays, self._files[shard], strict=True):
                part = array[begin - start : until - start]
                # The data end with the file; the header's length depends on the rows.
                position = file.size - (end - begin) * (part.nbytes // len(part))
                if file.read_at(position, memoryview(part).cast("B")) != part.nbytes:
                    raise OSError(f"'{file.path}' was truncated while it was open.")
        return arrays


def _is_array(contents, shape, dtype):
    """Whether a file holds an array as `ShardStore.write` writes it."""
    file = io.BytesIO(contents)
    if np.lib.format.read_magic(file) != (1, 0):
        return False
    header = np.lib.format.read_array_header_1_0(file)
    size = len(contents) - file.tell()
    return header == (shape, False, dtype) and size == math.prod(shape) * dtype.itemsize


def _npy(array):
    """The header and the data of a `.npy` file."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, np.lib.format.header_data_from_array_1_0(array)
    )
    return header.getbuffer(), memoryview(array.reshape(-1).view("uint8"))


def _write(path, parts):
    def write(aside):
        with open(aside, "wb") as file:
            file.writelines(parts)

    # The checksums show what a power cut destroyed, so nothing waits for the disk.
    write_aside(path, write, flush=False)
