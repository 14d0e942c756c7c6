"""What is worth a warning before training: pure functions from labels to sentences."""

import itertools

from keras_transfer.data.image_splits import STRONG_IMBALANCE, count_classes, imbalance

_EXAMPLES = 3


def check_splits(labels, digests, places, class_names):
    """Everything below, for all splits.

    Args:
        labels: dict from split to the label of each picture.
        digests: dict from split to a string for each picture, equal for equal pictures.
        places: dict from split to a name for each picture, to show to the user.
        class_names: the classes' names.

    Returns:
        A list of sentences.
    """
    found = check_counts(labels, class_names)
    for one, other in itertools.combinations(labels, 2):
        found += check_leak(
            one, digests[one], places[one], other, digests[other], places[other]
        )
    found += check_contradictions(labels, digests, places)
    return found


def check_counts(labels, class_names):
    """Classes that are absent, that have one picture, or that outnumber the others."""
    found = []
    counts = count_classes(labels["train"], class_names)
    single = [name for name, count in counts.items() if count == 1]
    if single:
        found.append(f"Only one picture to train on for {_listed(single)}.")
    for split, split_labels in labels.items():
        present = count_classes(split_labels, class_names)
        absent = [name for name, count in present.items() if count == 0]
        # A class with a single picture cannot be divided: that has been said above.
        absent = [name for name in absent if split == "train" or name not in single]
        if absent:
            found.append(f"No picture in the {split} split for {_listed(absent)}.")
    ratio = imbalance(counts)
    if ratio >= STRONG_IMBALANCE:
        largest = max(counts, key=counts.get)
        smallest = min((name for name in counts if counts[name]), key=counts.get)
        found.append(
            f"The classes are strongly imbalanced: '{largest}' has {counts[largest]} pictures "
            f"to train on, '{smallest}' has {counts[smallest]}. Pass `class_weight` to `fit` "
            "(--balance) to give each class the same weight."
        )
    return found


def check_leak(one, one_digests, one_places, other, other_digests, other_places):
    """Pictures that two splits share: the second one's score would be too good."""
    places = dict(zip(one_digests, one_places, strict=True))
    shared = [
        (places[digest], place)
        for digest, place in zip(other_digests, other_places, strict=True)
        if digest in places
    ]
    if not shared:
        return []
    return [
        f"{_pictures(len(shared))} of the {other} split also in the {one} split, so its score "
        f"will be too good: {_pairs(shared)}."
    ]


def check_contradictions(labels, digests, places):
    """The same picture under two labels: one of them is wrong."""
    seen, contradictions = {}, []
    for split in labels:
        rows = zip(labels[split], digests[split], places[split], strict=True)
        for label, digest, place in rows:
            first_label, first_place = seen.setdefault(digest, (label, place))
            if first_label != label:
                contradictions.append((first_place, place))
    if not contradictions:
        return []
    return [
        f"{_pictures(len(contradictions))} found under two classes, of which one is wrong: "
        f"{_pairs(contradictions)}."
    ]


def _pictures(count):
    return "1 picture is" if count == 1 else f"{count} pictures are"


def _listed(names):
    return ", ".join(f"'{name}'" for name in names)


def _pairs(pairs):
    text = ", ".join(f"'{first}' = '{second}'" for first, second in pairs[:_EXAMPLES])
    more = len(pairs) - _EXAMPLES
    return f"{text} and {more} more" if more > 0 else text
