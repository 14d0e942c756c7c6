"""What the JSON files of the commands say about the images of a run.

The files may come from elsewhere: what the commands would not write is left out.
"""

import os

from keras_transfer.data.sources import is_table


def own_findings(run, command):
    """What a command found in the images of the run; an empty dict for other images."""
    content = mapping(run.findings.get(command))
    return content if content.get("data") in (None, run.settings.get("data")) else {}


def copies(run):
    """The pairs of copies that an audit found, as dicts; None without an audit.

    A pair is left out if the run left out one of its images. The splits are those of the run:
    the audit may have divided the images in another way.
    """
    duplicates = own_findings(run, "audit").get("duplicates")
    if not isinstance(duplicates, dict):
        return None
    left_out = _left_out(run)
    measured = {path: split for split, one in run.predictions.items() for path in one.paths}
    return [
        {**pair, "splits": [measured.get(name, "train") for name in pair["names"]]}
        if measured else pair
        for pair in listed(duplicates.get("pairs"))
        if _is_pair(pair) and not left_out & {*pair["names"]}
    ]  # fmt: skip


def label_errors(run):
    """The labels that an audit suspects, as dicts."""
    labels, left_out = mapping(own_findings(run, "audit").get("labels")), _left_out(run)
    return [
        error
        for error in listed(labels.get("errors"))
        if _is_error(error) and error["name"] not in left_out
    ]


def probe_accuracy(run):
    """The accuracy of a linear probe on the training images, or None if none was fitted.

    With other groups than those of the run, images of a group may be on both sides of a fold.
    """
    recommended, probed = (own_findings(run, command) for command in ("recommend", "probe"))
    stages = listed(probed.get("stages"))
    found = [
        (recommended, mapping(recommended.get("likeness")).get("accuracy")),
        (probed, mapping(stages[-1]).get("accuracy") if stages else None),
    ]
    return next(
        (
            accuracy
            for content, accuracy in found
            if isinstance(accuracy, float) and content.get("group") == run.settings.get("group")
        ),
        None,
    )


def conclusions(content):
    """The findings of an audit, dicts of strings: `kind`, `severity` and `conclusion`."""
    keys = ("kind", "severity", "conclusion")
    return [
        finding
        for finding in listed(content.get("findings"))
        if all(isinstance(mapping(finding).get(key), str) for key in keys)
    ]


def mapping(value):
    """The value if it is a dict, else an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value):
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def _left_out(run):
    """The paths of the images that the run left out."""
    data, excluded = run.settings.get("data"), listed(run.settings.get("excluded"))
    if not isinstance(data, str):
        return set()
    folder = os.path.dirname(data) if is_table(data) else data
    return {os.path.join(folder, name) for name in excluded if isinstance(name, str)}


def _is_pair(pair):
    names, splits = listed(mapping(pair).get("names")), listed(mapping(pair).get("splits"))
    labels = listed(mapping(pair).get("labels"))
    is_named = len(names) == 2 and all(isinstance(name, str) for name in [*names, *splits])
    are_plain = all(label is None or isinstance(label, (str, int)) for label in labels)
    return is_named and are_plain and isinstance(pair.get("evidence"), str)


def _is_error(error):
    texts = [mapping(error).get(key) for key in ("name", "given", "suggested")]
    keys = ("given_probability", "suggested_probability")
    return all(isinstance(text, str) for text in texts) and all(
        isinstance(error.get(key), float) for key in keys
    )
