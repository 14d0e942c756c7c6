"""Under what a test trains: its devices, its workers, its precision, its steps per update."""

import dataclasses
import functools
import os

import tensorflow as tf

from tests.distribution.devices import divide_cpu

VARIABLE = "KERAS_TRANSFER_TEST_CONDITION"


@dataclasses.dataclass(frozen=True)
class Condition:
    devices: int = 1  # of each worker
    workers: int = 1
    policy: str = "float32"
    accumulation_steps: int = 1

    @property
    def replicas(self):
        return self.devices * self.workers


CONDITIONS = {
    "one_device": Condition(),
    "two_devices": Condition(devices=2),
    "four_devices": Condition(devices=4),
    "two_workers": Condition(workers=2),
    "mixed_float16": Condition(policy="mixed_float16"),
    "mixed_bfloat16": Condition(policy="mixed_bfloat16"),
    "accumulation": Condition(accumulation_steps=2),
}


def current():
    """The condition of this process, which the environment names."""
    return CONDITIONS[os.environ.get(VARIABLE, "one_device")]


@functools.cache
def strategy():
    """The strategy of this process; to be called before TensorFlow has made anything."""
    condition = current()
    divide_cpu(condition.devices)
    if condition.workers > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if condition.devices > 1:
        return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(condition.devices)])
    return tf.distribute.get_strategy()
