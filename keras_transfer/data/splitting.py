"""Which pictures validate: decided by their contents, not by the order of the files."""

import hashlib


def stratified_split(labels, digests, fraction, seed):
    """Sets aside `fraction` of each class, at least one picture and never all of them.

    The draw hashes the seed with each picture's contents. So it depends neither on names
    nor on the file system, a picture that is added moves hardly any other, and copies of
    one picture stay on one side.

    Args:
        labels: the label of each picture.
        digests: a string for each picture, equal for equal pictures.
        fraction: how much of each class to set aside, between 0 and 1.
        seed: integer.

    Returns:
        `(kept, set_aside)`, two lists of indices in ascending order.

    Example:
        >>> stratified_split([0, 0, 0, 1], ["a", "b", "c", "d"], 0.4, seed=0)
        ([0, 1, 3], [2])
    """
    members = {}
    for index, (label, digest) in enumerate(zip(labels, digests, strict=True)):
        members.setdefault(label, {}).setdefault(digest, []).append(index)
    set_aside = set()
    for by_digest in members.values():
        drawn = sorted(by_digest, key=lambda digest: _draw(seed, digest))
        count = min(max(1, round(fraction * len(drawn))), len(drawn) - 1)
        for digest in drawn[:count]:
            set_aside.update(by_digest[digest])
    indices = range(len(labels))
    kept = [index for index in indices if index not in set_aside]
    return kept, sorted(set_aside)


def _draw(seed, digest):
    return hashlib.sha256(f"{seed}/{digest}".encode()).hexdigest()
