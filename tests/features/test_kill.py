import dataclasses
import errno
import os
import pathlib
import subprocess
import sys
import time
from time import sleep

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.features import FeatureCache, NoRoomError, shard_store
from keras_transfer.heads import SoftmaxHead
from keras_transfer.models import TransferModel
from tests.features.conftest import CountingEngine, contents
from tests.networks import residual_backbone

# Its processes run with the settings of users.
pytestmark = [pytest.mark.slow, pytest.mark.optimized_graphs]

ROOT = pathlib.Path(__file__).parents[2]
ROWS, IMAGES = 32, 150  # five shards
# The seconds that the child takes for each batch, which is a shard.
PAUSE = 0.3
LONGEST = 60
SLOW_CHILD = f"""
import sys
from tests.features.test_kill import PAUSE, SlowEngine, extract, shard_store
shard_store._MOST_ROWS = {ROWS}
extract(sys.argv[1], SlowEngine(pause=PAUSE))
"""


@dataclasses.dataclass
class SlowEngine(CountingEngine):
    """Leaves time to kill its process."""

    pause: float = 0.0

    def compile(self, stem):
        run = super().compile(stem)

        def slowly(batches):
            for features in run(batches):
                sleep(self.pause)
                yield features

        return slowly


def extract(directory, engine):
    """The same features in each process."""
    keras.utils.set_random_seed(0)
    model = TransferModel(residual_backbone("tf"), SoftmaxHead(3))
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (IMAGES, 16, 16, 3)).astype("float32")
    labels = np.arange(IMAGES, dtype="int32") % 3
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(20)
    return FeatureCache(directory, engine).extract(model, dataset)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shard_store, "_MOST_ROWS", ROWS)


def shards(directory):
    """The files that make shards whole, by name."""
    return sorted(path.name for path in directory.glob("*/view-000/[0-9]*.json"))


def kill_at_the_second_shard(directory):
    """Extracts in a child until the second shard is there, and kills the child."""
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW_CHILD, str(directory)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        started = time.monotonic()
        while len(shards(directory)) < 2 and time.monotonic() - started < LONGEST:
            assert child.poll() is None, child.stderr.read()
            time.sleep(0.01)
    finally:
        child.kill()
        child.communicate()


def test_extraction_after_sigkill_completes_to_the_same_bytes(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    extract(whole, SlowEngine())
    kill_at_the_second_shard(killed)
    left = shards(killed)
    assert left in (shards(whole)[:2], shards(whole)[:3])  # the kill takes its time
    keras.utils.clear_session(free_memory=False)
    second = SlowEngine()
    assert extract(killed, second).extraction.num_images == IMAGES - ROWS * len(left)
    assert second.num_images == IMAGES - ROWS * len(left)
    assert contents(killed) == contents(whole)


def fail_at_the_third_shard(write_aside):
    """`write_aside` on a disk that is full after the half of a file of the third shard."""

    def write(path, write, flush):
        def write_half(aside):
            write(aside)
            os.truncate(aside, os.path.getsize(aside) // 2)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), aside)

        is_third = path.name.startswith("00002.")
        write_aside(path, write_half if is_third else write, flush)

    return write


def test_full_disk_leaves_whole_shards_and_the_next_run_resumes(tmp_path, monkeypatch):
    whole, filled = tmp_path / "whole", tmp_path / "filled"
    extract(whole, CountingEngine())
    keras.utils.clear_session(free_memory=False)
    with monkeypatch.context() as patch:
        patch.setattr(
            shard_store, "write_aside", fail_at_the_third_shard(shard_store.write_aside)
        )
        with pytest.raises(NoRoomError, match="No space left on device, while features were"):
            extract(filled, CountingEngine())
    assert shards(filled) == shards(whole)[:2]
    assert not list(filled.rglob(".writing-*"))
    assert len(FeatureCache(filled).entries()) == 1
    keras.utils.clear_session(free_memory=False)
    second = CountingEngine()
    extract(filled, second)
    assert second.num_images == IMAGES - 2 * ROWS
    assert contents(filled) == contents(whole)
