"""What the examples of a run are, each as one object."""

from keras_transfer.runs.image_kinds import ImageKind, ImageRowKind
from keras_transfer.runs.row_kinds import RowKind, SoundKind, TextKind

_KINDS = {
    kind.name: kind
    for kind in (ImageKind(), ImageRowKind(), TextKind(), RowKind(), SoundKind())
}


def kind_named(name):
    """The kind of a name, as in `ImageSplits.kind`.

    Raises:
        ValueError: if there is no such kind.
    """
    if not isinstance(name, str) or name not in _KINDS:
        raise ValueError(f"`kind` must be one of {sorted(_KINDS)}. Received: kind={name!r}")
    return _KINDS[name]
