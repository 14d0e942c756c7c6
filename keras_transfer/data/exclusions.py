"""Images that are left out on request."""

import itertools
import os

from keras_transfer._records import read_json


def excluded_paths(exclude, paths, directory):
    """The paths to leave out, and a sentence about them.

    Args:
        exclude: the `audit.json` of an audit, or a collection of paths; relative ones are
            relative to the directory.
        paths: of the images.
        directory: a path.

    Returns:
        `(excluded, messages)`: a set of some of the paths, and a list of at most one sentence.
    """
    if exclude is None:
        return set(), []
    if not isinstance(exclude, (str, os.PathLike)):
        wanted = {os.path.realpath(os.path.join(directory, path)) for path in exclude}
        excluded = {path for path in paths if os.path.realpath(path) in wanted}
        return excluded, [f"Left out as requested: {len(excluded)} images."] if excluded else []
    by_path = {os.path.realpath(path): path for path in paths}
    suspects, clusters = _named(exclude, directory, by_path)
    named = [*suspects, *itertools.chain(*clusters)]
    excluded = {by_path[path] for path in suspects if path in by_path}
    num_suspects = len(excluded)
    for cluster in clusters:
        here = [by_path[path] for path in cluster if path in by_path]
        # The last one is in the validation or the test set if one is: these stay as they are.
        kept = next((path for path in reversed(here) if path not in excluded), None)
        excluded |= {path for path in here if path != kept}
    if named and not any(path in by_path for path in named):
        raise ValueError(
            f"'{exclude}' names images, but none of these data: audit the same folder again. "
            f"Received: exclude={os.fspath(exclude)!r}"
        )
    return excluded, [
        f"Left out {len(excluded)} images that '{exclude}' names: {num_suspects} whose label "
        f"is likely wrong, {len(excluded) - num_suspects} copies of others."
    ]


def _named(file, directory, known):
    """The real paths of the suspects, and of each cluster of copies, in an `audit.json`."""
    try:
        found = read_json(file)
        audited = found["data"]
        names = {
            index: name
            for pair in found["duplicates"]["pairs"]
            for index, name in zip((pair["first"], pair["second"]), pair["names"], strict=True)
        }

        def place(name):
            path = os.path.realpath(name)
            if path in known:
                return path
            # The folder may have moved since.
            return os.path.realpath(os.path.join(directory, os.path.relpath(name, audited)))

        suspects = [place(error["name"]) for error in found["labels"]["errors"]]
        clusters = [
            [place(names[index]) for index in sorted(cluster)]
            for cluster in found["duplicates"]["clusters"]
        ]
    except FileNotFoundError:
        raise FileNotFoundError(
            f"No such file. Received: exclude={os.fspath(file)!r}"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"'{file}' is not an `audit.json` that `keras-transfer audit` wrote "
            f"({type(error).__name__}: {error}). Received: exclude={os.fspath(file)!r}"
        ) from error
    return suspects, clusters
