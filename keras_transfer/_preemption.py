"""SIGTERM, which a machine sends before it is taken away. Imports nothing of TensorFlow."""

import contextlib
import signal
import threading


class Preempted(SystemExit):
    """The process got SIGTERM and saved its state; the same call resumes from it.

    If nothing catches it, the process ends with exit code 75, "try again" (`EX_TEMPFAIL` of
    sysexits.h).
    """

    CODE = 75

    def __init__(self):
        super().__init__(self.CODE)


class Preemption:
    """Waits for SIGTERM, which a machine sends before it is taken away.

    Attributes:
        requested: whether the signal came.
    """

    def __init__(self):
        self.requested = False
        self._deferred = False

    @contextlib.contextmanager
    def watched(self):
        """Raises `Preempted` when the signal comes; within `deferred`, only notes it.

        Within another one of these contexts it takes its place. Has no effect in a program that
        handles the signal itself, and in a thread.
        """
        is_main = threading.current_thread() is threading.main_thread()
        before = signal.getsignal(signal.SIGTERM)
        is_ours = isinstance(getattr(before, "__self__", None), Preemption)
        if not is_main or not (is_ours or before is signal.SIG_DFL):
            yield
            return
        signal.signal(signal.SIGTERM, self._on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    @contextlib.contextmanager
    def deferred(self):
        """A part of the program that checks `requested` itself."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        if self.requested:
            raise Preempted

    def _on_signal(self, number, frame):
        self.requested = True
        if not self._deferred:
            raise Preempted
