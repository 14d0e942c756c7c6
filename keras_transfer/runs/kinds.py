"""What the examples of a run are, each as one object."""

from keras_transfer.runs.image_kinds import ImageKind, ImageRowKind
from keras_transfer.runs.kind import refuse
from keras_transfer.runs.row_kinds import RowKind, SoundKind, TextKind

_KINDS = {
    kind.name: kind
    for kind in (ImageKind(), ImageRowKind(), TextKind(), RowKind(), SoundKind())
}

_TAKEN_BY_SOME = frozenset().union(*(kind.takes for kind in _KINDS.values()))


def check_taken(kind, given):
    """Raises `NotTakenError` if arguments have no effect on the examples of a `Kind`.

    Args:
        kind: of the data.
        given: the names of the arguments that a user gave.
    """
    wrong = {*given} & _TAKEN_BY_SOME - kind.takes
    is_meant = "target" in wrong and "targets" in kind.takes and "targets" not in given
    hint = " `targets` (--targets) names the column with the class." if is_meant else ""
    refuse(f"The data are {kind.name}", wrong, hint)


def kind_named(name):
    """The kind of a name, as in `ImageSplits.kind`.

    Raises:
        ValueError: if there is no such kind.
    """
    if not isinstance(name, str) or name not in _KINDS:
        raise ValueError(f"`kind` must be one of {sorted(_KINDS)}. Received: kind={name!r}")
    return _KINDS[name]
