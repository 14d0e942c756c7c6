"""What callbacks remember."""

from keras_transfer.training.state_codec import encode, is_plain

# Keras sets these for each `fit`.
_OF_THE_FIT = ("params", "_model")


class CallbackStates:
    """The own states of callbacks: what they changed of themselves since they were made.

    A state is what a callback holds in attributes of its own, as far as these are numbers,
    strings, arrays, or lists, tuples and dicts of them: patience used up, a best value, the
    best weights. What was given to a callback and did not change is none of it, so that a
    training may go on with another patience.

    Args:
        callbacks: a list of Keras callbacks that have not seen an epoch yet.
    """

    def __init__(self, callbacks):
        self._callbacks = list(callbacks)
        self._given = [_texts(callback) for callback in self._callbacks]
        self._changing = [set() for _ in self._callbacks]

    def training_begins(self):
        """Takes note of what callbacks set when a `fit` begins."""
        for callback, given, changing in self._each():
            changing |= {
                name for name, text in _texts(callback).items() if given.get(name) != text
            }

    def state(self):
        """What `restore` takes."""
        self.training_begins()
        return [
            {
                "class": type(callback).__name__,
                "attributes": {
                    name: vars(callback)[name]
                    for name in sorted(changing & set(vars(callback)))
                },
            }
            for callback, _, changing in self._each()
        ]

    def restore(self, states):
        """Gives each callback the state of its counterpart: of those of its class, in order."""
        waiting = {}
        for state in states:
            waiting.setdefault(state["class"], []).append(state["attributes"])
        for callback in self._callbacks:
            found = waiting.get(type(callback).__name__)
            if found:
                vars(callback).update(found.pop(0))

    def _each(self):
        return zip(self._callbacks, self._given, self._changing, strict=True)


def _texts(callback):
    """The plain attributes as text; arrays, which are not compared, as something ever new."""
    found = {}
    for name, value in vars(callback).items():
        if name not in _OF_THE_FIT and is_plain(value):
            text, arrays = encode(value)
            found[name] = object() if arrays else text
    return found
