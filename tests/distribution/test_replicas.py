"""Decoders and pairs of views on several replicas, each test in a process of its own."""

import pathlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("masks", marks=pytest.mark.exhaustive),
        pytest.param("boxes", marks=pytest.mark.slow),
        pytest.param("pairs", marks=pytest.mark.slow),
    ],
)
def test_two_replicas_end_with_the_same_weights(kind):
    done = subprocess.run(
        [sys.executable, "-m", "tests.distribution.replica_training", kind],
        cwd=pathlib.Path(__file__).parents[2], timeout=300, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
