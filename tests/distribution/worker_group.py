"""Local processes that form a cluster."""

import json
import os
import pathlib
import socket
import subprocess
import time

# After SIGTERM, until SIGKILL: a worker that waits for another one inside TensorFlow does not
# see the signal, and one that trains has to write its state.
_GRACE = 15


class WorkerGroup:
    """Processes that run one command, each as a worker of the same `TF_CONFIG`.

    The output of each goes into a file of its own in `logs`; a later group appends to it.
    """

    def __init__(self, number, command, logs):
        self._logs = [pathlib.Path(logs) / f"worker-{index}.log" for index in range(number)]
        self._logs[0].parent.mkdir(parents=True, exist_ok=True)
        ports, self.processes = free_ports(number), []
        for index, log in enumerate(self._logs):
            with open(log, "ab") as output:
                self.processes.append(
                    subprocess.Popen(
                        command,
                        env={**os.environ, "TF_CONFIG": cluster_config(ports, index)},
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                )

    def wait(self):
        """Waits until all have ended, or one has failed; then it ends the others.

        Returns `(worker, code)` of the first that failed, or None; a signal's code is negative.
        """
        while True:
            codes = [process.poll() for process in self.processes]
            # A kill comes first: without the killed worker the others fail.
            failed = sorted((code, worker) for worker, code in enumerate(codes) if code)
            if failed or None not in codes:
                break
            time.sleep(0.2)
        self.end()
        return failed[0][::-1] if failed else None

    def end(self):
        """Ends what still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        until = time.monotonic() + _GRACE
        for process in self.processes:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def last_lines(self, worker, number=15):
        """The end of a worker's output."""
        lines = self._logs[worker].read_text("utf-8", errors="replace").splitlines()
        return "\n".join(lines[-number:])


def cluster_config(ports, index):
    """`TF_CONFIG` of one of the workers on these ports."""
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})


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
