"""What happens when the system asks the process to end."""

import contextlib
import signal
import threading


class Preempted(SystemExit):
    """The process was asked to end (SIGTERM) and its state was saved; the same call goes on.

    Where nothing catches it, the process ends with the exit code 75, which stands for "try
    again" (`EX_TEMPFAIL` of sysexits.h).
    """

    CODE = 75

    def __init__(self):
        super().__init__(self.CODE)


class Preemption:
    """Waits for SIGTERM, which a machine gets before it is taken away.

    Attributes:
        requested: whether the signal came.
    """

    def __init__(self):
        self.requested = False
        self._deferred = False

    @contextlib.contextmanager
    def watched(self):
        """Raises `Preempted` where the signal comes; in `deferred`, only takes note of it.

        A program that handles the signal itself, and a thread, which gets none, are left alone.
        """
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            yield
            return
        signal.signal(signal.SIGTERM, self._on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    @contextlib.contextmanager
    def deferred(self):
        """A part of the program that looks at `requested` by itself."""
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
