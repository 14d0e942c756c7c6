"""Local processes that form a cluster."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

_POLL = 0.2
# After SIGTERM, until SIGKILL: a worker that waits for another one inside TensorFlow does not
# see the signal, and one that trains has to write its state.
GRACE = 15


class WorkerGroup:
    """Processes that run one command together, each as a worker of the same `TF_CONFIG`.

    What each prints goes into a file of its own; what the first one prints is shown as well.

    Args:
        number: how many; one alone gets no `TF_CONFIG`.
        command: what each runs, a list of strings.
        logs: a folder, which is made. Files of an earlier group are continued.
    """

    def __init__(self, number, command, logs):
        self._logs = [pathlib.Path(logs) / f"worker-{index}.log" for index in range(number)]
        self._logs[0].parent.mkdir(parents=True, exist_ok=True)
        ports = free_ports(number)
        self._processes = [
            _start(command, _environment(ports, index), log)
            for index, log in enumerate(self._logs)
        ]
        self._shower = threading.Thread(target=self._show, daemon=True)
        self._shower.start()

    def wait(self):
        """Waits until all have ended, or one has failed; then the others are ended too.

        Returns:
            `(worker, code)` of the first that failed, or None. A negative code is a signal's.
        """
        while True:
            codes = [process.poll() for process in self._processes]
            # Where one was killed the others fail for want of it.
            failed = sorted((code, worker) for worker, code in enumerate(codes) if code)
            if failed or None not in codes:
                break
            time.sleep(_POLL)
        self.end()
        return failed[0][::-1] if failed else None

    def ask_to_end(self):
        """Sends SIGTERM to all: those that train save their state."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()

    def end(self):
        """Ends what still runs."""
        self.ask_to_end()
        until = time.monotonic() + GRACE
        for process in self._processes:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._shower.join(timeout=2)

    def last_lines(self, worker, number=15):
        """The end of what a worker printed."""
        lines = self._logs[worker].read_text("utf-8", errors="replace").splitlines()
        return "\n".join(lines[-number:])

    def log(self, worker):
        """The file with what a worker printed."""
        return self._logs[worker]

    def _show(self):
        """Copies what the first worker prints, from now on."""
        with open(self._logs[0], encoding="utf-8", errors="replace") as log:
            log.seek(self._processes[0].log_start)
            while True:
                text = log.read()
                if text:
                    sys.stdout.write(text)
                    sys.stdout.flush()
                elif self._processes[0].poll() is not None:
                    return
                time.sleep(_POLL)


def describe_code(code):
    """A process' exit code in words."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _start(command, environment, log):
    with open(log, "ab") as output:
        start = output.tell()
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C is the launcher's: it ends the workers in order.
            start_new_session=True,
        )
    process.log_start = start
    return process


def _environment(ports, index):
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment.pop("TF_CONFIG", None)
    if len(ports) > 1:
        cluster = {"worker": [f"localhost:{port}" for port in ports]}
        task = {"type": "worker", "index": index}
        environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    return environment


def free_ports(number):
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
