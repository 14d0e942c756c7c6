import json
import os
import signal
import sys
import time

import pytest

from benchmarks import worker_group
from benchmarks.worker_group import WorkerGroup, describe_code

pytestmark = pytest.mark.slow


def script(text):
    """A command that each worker runs; `index` is its number."""
    head = (
        "import json, os, signal, sys, time\n"
        "task = json.loads(os.environ.get('TF_CONFIG', '{}')).get('task', {})\n"
        "index = task.get('index')\n"
    )
    return [sys.executable, "-c", head + text]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_each_worker_has_its_place_in_one_cluster(tmp_path, capfd):
    group = WorkerGroup(3, script("print(os.environ['TF_CONFIG'])"), tmp_path / "logs")
    assert group.wait() is None
    configs = [json.loads(group.log(worker).read_text()) for worker in range(3)]
    assert [config["task"]["index"] for config in configs] == [0, 1, 2]
    addresses = configs[0]["cluster"]["worker"]
    assert len(set(addresses)) == 3
    assert all(config["cluster"]["worker"] == addresses for config in configs)
    assert json.loads(capfd.readouterr().out) == configs[0]  # the first one's is shown


def test_one_alone_is_no_cluster(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    group = WorkerGroup(1, script("print('TF_CONFIG' in os.environ)"), tmp_path)
    assert group.wait() is None
    assert group.last_lines(0) == "False"


def test_one_that_fails_ends_the_others(tmp_path):
    group = WorkerGroup(
        2,
        script("print(os.getpid(), flush=True); time.sleep(0.5 if index else 60); sys.exit(7)"),
        tmp_path,
    )
    started = time.monotonic()
    assert group.wait() == (1, 7)
    assert time.monotonic() - started < worker_group.GRACE
    assert not is_running(int(group.last_lines(0)))


def test_one_that_does_not_listen_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(worker_group, "GRACE", 1)
    text = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), flush=True)\n"
        "time.sleep(60) if index == 0 else (time.sleep(1), sys.exit(3))"
    )
    group = WorkerGroup(2, script(text), tmp_path)
    assert group.wait() == (1, 3)
    assert not is_running(int(group.last_lines(0)))


def test_killed_one_is_named_rather_than_those_that_fail_for_want_of_it(tmp_path):
    text = "sys.exit(1) if index == 0 else os.kill(os.getpid(), signal.SIGKILL)"
    group = WorkerGroup(2, script(f"time.sleep(0.3); {text}"), tmp_path)
    for process in group._processes:
        process.wait()
    assert group.wait() == (1, -signal.SIGKILL)
    assert describe_code(-signal.SIGKILL) == "was killed by SIGKILL"
    assert describe_code(1) == "ended with code 1"
