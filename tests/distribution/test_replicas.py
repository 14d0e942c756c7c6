"""Decoders and pairs of views on several replicas, in a process of their own."""

import pathlib
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_two_replicas_end_with_the_same_weights():
    done = subprocess.run(
        [sys.executable, "-m", "tests.distribution.replica_training"],
        cwd=pathlib.Path(__file__).parents[2], timeout=300, capture_output=True, text=True,
    )  # fmt: skip
    for kind in ("masks", "boxes", "pairs"):
        assert f"trained {kind}\n" in done.stdout, done.stderr[-2000:]
    assert done.returncode == 0
