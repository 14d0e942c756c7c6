import json
import os
import pathlib
import subprocess
import sys

import keras
import pytest
import tensorflow as tf

from keras_transfer.distribution import (
    get_strategy,
    mixed_precision_policy,
    scaled_learning_rate,
    strategies,
)
from keras_transfer.distribution.cluster import tpu_address


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch):
    """No cluster, no TPU, and nothing made before."""
    makers = (strategies._mirrored, strategies._multi_worker, strategies._tpu)
    for name in list(os.environ):
        if name == "TF_CONFIG" or name.startswith(("SLURM_", "TPU_", "KUBE_GOOGLE_CLOUD_TPU")):
            monkeypatch.delenv(name)
    for maker in makers:
        maker.cache_clear()
    yield
    for maker in makers:
        maker.cache_clear()


def see_gpus(monkeypatch, number):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU"] * number)


def make(monkeypatch, name):
    """Replaces a strategy by one that only notes its arguments."""
    monkeypatch.setattr(tf.distribute, name, lambda *arguments: (name, *arguments))


def cluster(workers, index=0, kind="worker", **others):
    spec = {"worker": [f"host{number}:1" for number in range(workers)], **others}
    return json.dumps({"cluster": spec, "task": {"type": kind, "index": index}})


def test_one_device_is_the_current_strategy(caplog):
    assert get_strategy("one_device") is tf.distribute.get_strategy()
    with caplog.at_level("INFO", "keras_transfer"):
        assert get_strategy("auto") is tf.distribute.get_strategy()  # no GPUs in the tests
    assert caplog.messages == ["Running on one device: no GPU was found."]


def test_strategy_object_is_taken_as_it_is():
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    assert get_strategy(strategy) is strategy


def test_several_gpus_share_one_strategy_for_all_models_of_a_process(monkeypatch):
    see_gpus(monkeypatch, 2)
    assert get_strategy("mirrored") is get_strategy("auto")


@pytest.mark.parametrize(
    ("environment", "gpus", "chosen", "reason"),
    [
        ({}, 1, "one_device", "one GPU was found"),
        ({}, 2, "mirrored", "2 GPUs were found"),
        ({"TF_CONFIG": cluster(1)}, 2, "mirrored", "2 GPUs were found"),
        ({"TF_CONFIG": cluster(3)}, 2, "multi_worker", "TF_CONFIG names 3"),
        ({"TF_CONFIG": cluster(1, chief=["host:1"])}, 0, "multi_worker", "TF_CONFIG names 2"),
        (
            {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4"},
            8,
            "multi_worker",
            "Slurm started 4 tasks",
        ),
        # A shell of `salloc`, in which nothing was started with `srun`.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, 0, "one_device", "no GPU was found"),
        ({"TPU_NAME": "mine", "TF_CONFIG": cluster(3)}, 2, "tpu", "a TPU was found"),
    ],
)
def test_auto_takes_the_largest_there_is(
    monkeypatch, caplog, environment, gpus, chosen, reason
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    see_gpus(monkeypatch, gpus)
    monkeypatch.setattr(strategies, "_MAKERS", {chosen: lambda: chosen})
    with caplog.at_level("INFO", "keras_transfer"):
        assert get_strategy() == chosen
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith(f": {reason}.")


def test_several_workers_are_made_once(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", cluster(2))
    make(monkeypatch, "MultiWorkerMirroredStrategy")
    first = get_strategy("multi_worker")
    assert first == ("MultiWorkerMirroredStrategy",)
    assert get_strategy("multi_worker") is get_strategy("auto") is first


@pytest.mark.parametrize(
    ("nodes", "tasks", "hosts"),
    [
        ("node[3-4]", "1(x2)", ["node3:8888", "node4:8888"]),
        ("node7", "2", ["node7:8888", "node7:8889"]),
    ],
)
def test_slurm_tells_the_hosts(monkeypatch, nodes, tasks, hosts):
    environment = {
        "SLURM_PROCID": "1",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": tasks,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TF_CONFIG", "")  # what is set is undone
    monkeypatch.setattr("shutil.which", lambda name: None)
    make(monkeypatch, "MultiWorkerMirroredStrategy")
    get_strategy("multi_worker")
    assert json.loads(os.environ["TF_CONFIG"]) == {
        "cluster": {"worker": hosts},
        "task": {"type": "worker", "index": 1},
    }


def test_tpu_is_connected_once(monkeypatch):
    monkeypatch.setenv("TPU_NAME", "mine")
    connected = []
    monkeypatch.setattr(
        tf.distribute.cluster_resolver.TPUClusterResolver,
        "connect",
        lambda address: connected.append(address) or "resolver",
    )
    make(monkeypatch, "TPUStrategy")
    assert get_strategy("tpu") is get_strategy("auto")
    assert connected == ["mine"]


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({"TPU_NAME": "mine"}, "mine"),
        ({"KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS": "grpc://host:1"}, ""),
        ({}, None),
    ],
)
def test_where_the_tpu_is(environment, address):
    assert tpu_address(environment, devices=()) == address


@pytest.mark.parametrize("has_library", [False, True])
def test_tpu_of_this_machine_needs_its_library(monkeypatch, tmp_path, has_library):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: has_library or None)
    device = tmp_path / "accel0"
    assert tpu_address({}, [str(device)]) is None
    device.touch()
    assert tpu_address({}, [str(device)]) == ("local" if has_library else None)


@pytest.mark.parametrize("name", ["all", None, 3])
def test_unknown_name_is_told(name):
    with pytest.raises(ValueError, match="'auto', 'one_device', 'mirrored', 'multi_worker'"):
        get_strategy(name)


@pytest.mark.parametrize(
    ("name", "message"), [("multi_worker", "There is no cluster"), ("tpu", "There is no TPU")]
)
def test_what_is_not_there_is_told(name, message):
    with pytest.raises(ValueError, match=message):
        get_strategy(name)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "does not have TensorFlow's format"),
        ("[1]", "does not have TensorFlow's format"),
        ('{"cluster": {"worker": 3}}', "does not have TensorFlow's format"),
        (cluster(2, index=2), "which worker of the cluster"),
        (cluster(2, kind="evaluator"), "which worker of the cluster"),
        (cluster(2, ps=["host:2"]), "TF_CONFIG with ps"),
    ],
)
def test_config_that_is_no_cluster_is_told(monkeypatch, config, message):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match=message):
        get_strategy()


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [
        ([], "float32"),
        ([(6, 1)], "float32"),
        ([None], "float32"),
        ([(7, 5)], "mixed_float16"),
        ([(8, 0), (8, 6)], "mixed_bfloat16"),
        ([(9, 0), (7, 0)], "mixed_float16"),
    ],
)
def test_precision_is_what_all_gpus_can_do(monkeypatch, capabilities, policy):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: capabilities)
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda gpu: {} if gpu is None else {"compute_capability": gpu},
    )
    assert mixed_precision_policy() == policy
    keras.mixed_precision.set_global_policy(policy)  # Keras knows it


@pytest.mark.parametrize(("rule", "rate"), [("sqrt", 2e-3), ("linear", 4e-3)])
def test_rate_is_scaled_by_the_rule(rule, rate):
    assert scaled_learning_rate(1e-3, 128, rule=rule) == pytest.approx(rate)


@pytest.mark.parametrize(
    "arguments", [{"rule": "cubic"}, {"batch_size": 0}, {"base_batch_size": 0}]
)
def test_wrong_scaling_is_told(arguments):
    with pytest.raises(ValueError, match=f"`{next(iter(arguments))}`"):
        scaled_learning_rate(1e-3, **{"batch_size": 64, **arguments})


SCRIPT = """
import sys
import tensorflow as tf
from tests.distribution.devices import divide_cpu
divide_cpu(2)
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
from keras_transfer import features, plans, training
plan = plans.Plan([
    plans.Phase(freezing.FreezeAll(), 2, 1e-3),
    plans.Phase(freezing.UnfreezeLast(1), 2, 1e-3, layerwise_decay=0.5),
])
cache = features.FeatureCache(sys.argv[1], engine="tensorflow")
history = training.fine_tune(model, dataset, dataset, plan=plan, cache=cache, verbose=0)
assert len(cache.entries()) == 2 and history.epoch == [0, 1, 2, 3]
print("steps", int(model.optimizer.iterations.numpy()), model.predict(images, verbose=0).shape)
import pathlib
from keras_transfer import serving
picture = pathlib.Path(sys.argv[1]) / "one.png"  # fewer than there are replicas
picture.write_bytes(tf.io.encode_png(images[0].astype("uint8")).numpy())
print("exported", serving.export(model, picture.parent / "served", examples=[picture]))
"""


@pytest.mark.slow
def test_model_trains_on_two_devices_and_follows_its_policy(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parents[2],
    )
    assert "steps 4 (8, 3)" in done.stdout, done.stderr[-2000:]
    assert f"exported {tmp_path / 'served' / '1'}" in done.stdout, done.stderr[-2000:]
