"""`keras-transfer cache`."""

import os
import time

from keras_transfer._text import print_table
from keras_transfer.features.cache_folder import CacheFolder
from keras_transfer.features.feature_cache import default_directory


def run(options):
    """Lists what is in the cache, or removes it."""
    if options.directory is not None and not os.path.isdir(options.directory):
        raise FileNotFoundError(f"No such folder: '{options.directory}'")
    folder = CacheFolder(options.directory or default_directory())
    before = folder.entries()
    if options.clear:
        _remove(folder, folder.keys())
    elif options.remove:
        _remove(folder, _matching(options.remove, before))
    elif options.limit is not None:
        folder.evict(options.limit)
    removed = sum(entry.size for entry in before) - sum(e.size for e in folder.entries())
    if removed:
        print(f"Removed {removed / 1e6:,.1f} MB.")
    _print_table(folder)


def _matching(wanted, entries):
    """The keys that begin as wanted; each beginning must be that of one entry."""
    keys = []
    for beginning in wanted:
        found = [entry.key for entry in entries if entry.key.startswith(beginning)]
        if len(found) != 1:
            problem = f"{len(found)} entries begin" if found else "no entry begins"
            raise ValueError(
                f"{problem} with '{beginning}'; nothing was removed. `keras-transfer cache` "
                "lists them."
            )
        keys += found
    return dict.fromkeys(keys)


def _remove(folder, keys):
    for key in keys:
        if not folder.remove(key):
            print(f"{key[:8]} stays: another process is writing it.")


def _print_table(folder):
    entries = folder.entries()
    if not entries:
        print(f"{folder.path} holds no features.")
        return
    rows = [
        (
            "key", "data", "network", "features at", "images", "views", "engine", "size",
            "last used",
        )
    ]  # fmt: skip
    rows += [
        (
            entry.key[:8],
            entry.data or "-",
            entry.network,
            f"{entry.boundary} {'x'.join(map(str, entry.feature_shape))}",
            f"{entry.num_images:,}",
            str(entry.views),
            f"{entry.engine} {entry.dtype}",
            f"{entry.size / 1e6:,.1f} MB",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used)),
        )
        for entry in entries
    ]
    print_table(rows)
    total = sum(entry.size for entry in entries)
    print(f"\n{total / 1e6:,.1f} MB in {folder.path}")
