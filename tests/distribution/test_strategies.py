import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf

from keras_transfer.distribution import get_strategy


def test_one_device_is_the_current_strategy():
    assert get_strategy("one_device") is tf.distribute.get_strategy()
    assert get_strategy("auto") is tf.distribute.get_strategy()  # no GPUs in the tests


def test_strategy_object_is_taken_as_it_is():
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    assert get_strategy(strategy) is strategy


def test_several_gpus_are_mirrored(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU:0", "GPU:1"])
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda: "mirrored")
    assert get_strategy("auto") == "mirrored"
    assert get_strategy("mirrored") == "mirrored"


def test_unknown_name_is_told():
    with pytest.raises(ValueError, match="'auto', 'one_device', 'mirrored'"):
        get_strategy("all")


SCRIPT = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import numpy as np
from keras_transfer import freezing, heads, models
from tests.networks import residual_backbone
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = models.build(
        residual_backbone(), heads.SoftmaxHead(3), layerwise_decay=0.5, strategy=strategy
    )
images, labels = np.ones((8, 16, 16, 3), "float32"), np.arange(8) % 3
dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
model.fit(dataset, verbose=0)
kernel = model.get_layer("conv_2").kernel.numpy()
model.freeze_policy = freezing.UnfreezeLast(1)
model.fit(dataset, verbose=0)
assert not np.array_equal(kernel, model.get_layer("conv_2").kernel.numpy())
from keras_transfer import features, training
plan = training.Plan([
    training.Phase(freezing.FreezeAll(), 2, 1e-3),
    training.Phase(freezing.UnfreezeLast(1), 2, 1e-3, layerwise_decay=0.5),
])
cache = features.FeatureCache(sys.argv[1], engine="tensorflow")
history = training.fine_tune(model, dataset, dataset, plan=plan, cache=cache, verbose=0)
assert len(cache.entries()) == 2 and history.epoch == [0, 1, 2, 3]
print("steps", int(model.optimizer.iterations.numpy()), model.predict(images, verbose=0).shape)
"""


def test_model_trains_on_two_devices_and_follows_its_policy(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parents[2],
    )
    assert "steps 4 (8, 3)" in done.stdout, done.stderr[-2000:]
