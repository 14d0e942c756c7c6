"""What a reader must know first: how good the model is, and what to be cautious about."""

from keras_transfer._text import counted, some_of
from keras_transfer.runs.recorded_findings import (
    conclusions,
    copies,
    listed,
    own_findings,
)

# With fewer images a rate says little.
_FEW = 10


def verdict(run):
    """The verdict as a dict: `share`, `words` after it, a list of `parts`, and `cautions`.

    Cautions are pairs of a sentence and its tone.
    """
    split = run.measured
    if split is None:
        note = (f"No validation or test {run.things}: {run.task.quality} not known.", "alarm")
        return {"share": None, "words": "", "parts": [], "cautions": [note]}
    found = run.task.verdict(run, run.metrics[split])
    cautions = [_chosen(run, split), *_groups(run, split), *_leaks(run), *found["cautions"]]
    return {**found, "cautions": cautions}


def too_few(run, rates, noun, nouns):
    """A caution about the classes, or labels, that few images measure; none if there are none.

    Args:
        run: the `Run`.
        rates: dict of name to measures with `images`.
        noun: what a name is.
        nouns: the same for several.
    """
    few = [name for name, one in rates.items() if one["images"] < _FEW]
    if few:
        which = f"{noun} has" if len(few) == 1 else f"{nouns} have"
        text = f"{len(few)} {which} fewer than {_FEW} {run.things} here: {some_of(few, 3)}."
        yield text, "warning"


def kept_epoch(metrics):
    """The epoch whose weights were kept, from 1; older runs called it the best."""
    return metrics.get("kept_epoch", metrics.get("best_epoch"))


def _chosen(run, split):
    """What was chosen on the images that the model was measured on."""
    if split == "test":
        return f"Nothing was chosen on the test {run.things}.", "good"
    chosen = ["epoch"]
    for name in ("temperature", "temperatures"):
        if run.course.get(name):
            chosen.append(name)
    chosen += [name for name in ("threshold", "thresholds") if name in run.metrics]
    was = "was" if chosen == ["epoch"] else "were"
    text = (
        f"The {' and the '.join(chosen)} {was} chosen on these {run.things}, so "
        f"{run.task.quality} optimistic: a test set gives an unbiased estimate."
    )
    return text, "warning"


def _groups(run, split):
    """How many groups the images are of, if they have some."""
    number = run.metrics[split].get("groups")
    if number is not None:
        text = (
            f"These {run.things} come from {counted(number, 'group')}: the confidence "
            f"intervals count groups, not {run.things}."
        )
        yield text, "warning" if number < _FEW else "soft"


def _leaks(run):
    if not run.task.is_audited or run.kind.name != "images":
        return
    pairs = copies(run)
    if pairs is None:
        text = (
            "The images were not checked for copies in two splits: `keras-transfer audit` "
            "finds them."
        )
        yield text, "soft"
        return
    across = sum(len(set(listed(pair.get("splits")))) > 1 for pair in pairs)
    wrong = sum(len(set(listed(pair.get("labels"))) - {None}) > 1 for pair in pairs)
    if across:
        which = "pair of copies lies" if across == 1 else "pairs of copies lie"
        yield f"{across} {which} in two splits: the accuracy is too high.", "alarm"
    else:
        yield "No copies in two splits.", "good"
    if wrong:
        which = "pair of copies has" if wrong == 1 else "pairs of copies have"
        yield f"{wrong} {which} different labels.", "warning"
    for finding in conclusions(own_findings(run, "audit")):
        is_other = finding["kind"] not in ("duplicates", "labels")
        if finding["severity"] == "alarm" and is_other:
            # Its figures stand once, among the findings.
            yield finding["conclusion"].partition(":")[0].rstrip(".") + ".", "alarm"
