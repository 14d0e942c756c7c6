"""How many planted copies of pictures are found, and how many pairs are none."""

import time

import numpy as np

from benchmarks import audited, changed_pictures, child
from keras_transfer import auditing


def measure(row, data_set, image_size, planted, seed=0, limit=None):
    """Plants a copy of each kind of some pictures among all of a data set."""
    with audited.opened(data_set, image_size, limit) as splits:
        paths = [path for found in splits.paths.values() for path in found]
        started = time.perf_counter()
        before = auditing.near_duplicates(paths)
        seconds = time.perf_counter() - started
        random = np.random.default_rng(seed)
        sources = random.choice(len(paths), min(planted, len(paths)), replace=False).tolist()
        origin, copies = list(range(len(paths))), []
        for change in changed_pictures.COPIES:
            for source in sources:
                image = change(changed_pictures.opened(paths[source]), random)
                copies.append(np.asarray(image))
                origin.append(source)
        found = auditing.near_duplicates([*paths, *copies])
    values = {f"recall_{kind}": recall for kind, recall in _recall(found, origin, len(paths))}
    right = sum(origin[pair.first] == origin[pair.second] for pair in found.pairs)
    values["precision"] = right / max(1, len(found.pairs))
    values |= {"pairs_before": len(before.pairs), "seconds": seconds, "pictures": len(paths)}
    return [{"row": row, "values": values}]


def _recall(found, origin, num_pictures):
    """The share of the copies of each kind that are paired with their source."""
    paired = {
        pair.second
        for pair in found.pairs
        if pair.second >= num_pictures and origin[pair.second] == pair.first
    }
    each = (len(origin) - num_pictures) // len(changed_pictures.COPIES)
    for place, change in enumerate(changed_pictures.COPIES):
        start = num_pictures + place * each
        yield change.__name__, sum(start <= copy < start + each for copy in paired) / each


if __name__ == "__main__":
    child.main(measure)
