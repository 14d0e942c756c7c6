"""What a command shows while it works: a moving line in a terminal, a line a minute in a file.

The library reports its steps here, and nothing is shown unless a command asked for it.
"""

import contextlib
import sys
import threading
import time

# Seconds between two lines where the output is not a terminal.
_BETWEEN_LINES = 60

_shown = None


@contextlib.contextmanager
def shown(stream=None):
    """Shows the steps of this process, until the outermost of these contexts ends.

    Args:
        stream: a text stream. Defaults to None, `sys.stderr`.
    """
    global _shown
    if _shown is not None:
        yield
        return
    stream = stream or sys.stderr
    _shown = _Bars(stream) if stream.isatty() else _Lines(stream)
    try:
        yield
    finally:
        _shown = None


@contextlib.contextmanager
def step(name, total=None):
    """One step of the work, for example the features of a network.

    Args:
        name: what is done.
        total: the number of its parts. Defaults to None, not known.

    Yields:
        A function that is called when parts are done, with their number, by default 1.
    """
    if _shown is None:
        yield lambda number=1: None
        return
    with _shown.step(name, total) as advance:
        yield advance


def each(elements, name):
    """Yields the elements of a sequence, as the parts of a step."""
    with step(name, len(elements)) as advance:
        for element in elements:
            yield element
            advance()


class _Bars:
    """Lines that move, also while a step has nothing to report; they vanish at its end."""

    def __init__(self, stream):
        self._stream, self._progress, self._open = stream, None, 0

    @contextlib.contextmanager
    def step(self, name, total):
        if not self._open:
            self._progress = _progress_of(self._stream)
            self._progress.start()
        self._open += 1
        bar = self._progress.add_task(name, total=total)
        try:
            yield lambda number=1: self._progress.advance(bar, number)
        finally:
            self._progress.remove_task(bar)
            self._open -= 1
            if not self._open:
                self._progress.stop()


def _progress_of(stream):
    from rich import console, progress

    return progress.Progress(
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(30),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        console=console.Console(file=stream, highlight=False),
        transient=True,
    )


class _Lines:
    """A line for the innermost step, a minute after it began and every minute from there."""

    def __init__(self, stream):
        self._stream, self._steps = stream, []

    @contextlib.contextmanager
    def step(self, name, total):
        own = {"name": name, "total": total, "done": 0, "began": time.monotonic()}

        def advance(number=1):
            own["done"] += number

        self._steps.append(own)
        over = threading.Event()
        watch = threading.Thread(target=self._watch, args=(own, over), daemon=True)
        watch.start()
        try:
            yield advance
        finally:
            over.set()
            watch.join()
            self._steps.remove(own)

    def _watch(self, own, over):
        while not over.wait(_BETWEEN_LINES):
            if self._steps[-1] is own:
                print(_line(own), file=self._stream, flush=True)


def _line(one):
    of = f" {one['done']} of {one['total']}," if one["total"] else ""
    return f"{one['name']}:{of} {time.monotonic() - one['began']:.0f} s"
