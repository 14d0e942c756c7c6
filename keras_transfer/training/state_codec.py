"""Plain values with arrays among them, as JSON and a list of arrays; no code is ever read."""

import json

import numpy as np

_PLAIN = (bool, int, float, str, type(None))


class NotPlainError(TypeError):
    """A value that is no number, string or array, nor a list, tuple or dict of those."""


def encode(value):
    """`(text, arrays)`, from which `decode` makes the value again.

    Raises:
        NotPlainError: for anything but numbers, strings, arrays, lists, tuples and dicts.
    """
    arrays = []
    return json.dumps(_packed(value, arrays)), arrays


def decode(text, arrays):
    """The value of which `encode` made `text` and `arrays`.

    Raises:
        ValueError: if they are not what `encode` makes.
    """
    try:
        return _unpacked(json.loads(text), arrays)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"not a saved state: {type(error).__name__}: {error}") from error


def is_plain(value):
    """Whether `encode` takes a value."""
    try:
        _packed(value, [])
    except NotPlainError:
        return False
    return True


def _packed(value, arrays):
    # NumPy's own floats are Python's floats too, but are not written as such.
    if isinstance(value, np.generic):
        return _packed(value.item(), arrays)
    if type(value) in _PLAIN:
        return value
    if type(value) is list:
        return [_packed(part, arrays) for part in value]
    if type(value) is tuple:
        return {"tuple": [_packed(part, arrays) for part in value]}
    if type(value) is dict:
        return {"dict": [[_packed(key, arrays), _packed(value[key], arrays)] for key in value]}
    if isinstance(value, np.ndarray) and value.dtype != object:
        arrays.append(value)
        return {"array": len(arrays) - 1}
    raise NotPlainError(f"no plain value. Received: {value!r} (of type {type(value).__name__})")


def _unpacked(value, arrays):
    if isinstance(value, list):
        return [_unpacked(part, arrays) for part in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        return arrays[content]
    if kind == "tuple":
        return tuple(_unpacked(content, arrays))
    if kind == "dict":
        return {_unpacked(key, arrays): _unpacked(part, arrays) for key, part in content}
    raise ValueError(f"not a saved state: {kind!r}")
