"""What the environment says about the cluster and the TPU of this process."""

import importlib.util
import json
import os
import pathlib
import shutil

import tensorflow as tf

# Parameter servers train asynchronously, which `fit` does not.
_WORKERS = ("chief", "worker")
# The devices of a virtual machine with an attached TPU.
_TPU_DEVICES = ("/dev/accel0", "/dev/vfio/0")


def num_configured_workers(environment=os.environ):
    """The number of workers in `TF_CONFIG`; 0 without it.

    Raises:
        ValueError: if it does not describe a cluster of workers that includes this process.
    """
    text = environment.get("TF_CONFIG", "").strip()
    if not text:
        return 0
    try:
        config = json.loads(text)
        cluster = dict(config.get("cluster") or {})
        task = config.get("task") or {}
        workers = {kind: len(cluster[kind]) for kind in _WORKERS if kind in cluster}
        kind, index = task.get("type"), task.get("index")
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f"The environment variable TF_CONFIG does not have TensorFlow's format ({error}). "
            f"Received: TF_CONFIG={text!r}"
        ) from error
    if not cluster:
        return 0
    others = sorted(set(cluster) - set(_WORKERS) - {"evaluator"})
    if others:
        raise ValueError(
            "Training is synchronous: the cluster may hold workers and a chief only. "
            f"Received: TF_CONFIG with {', '.join(others)}"
        )
    if kind not in workers or not isinstance(index, int) or not 0 <= index < workers[kind]:
        raise ValueError(
            "TF_CONFIG must say which worker of the cluster this process is. "
            f"Received: task={task!r}, cluster={cluster!r}"
        )
    return sum(workers.values())


def num_slurm_tasks(environment=os.environ):
    """The number of tasks that `srun` started together with this process; 0 without `srun`."""
    text = environment.get("SLURM_STEP_NUM_TASKS", "")
    return int(text) if text.isdecimal() and "SLURM_PROCID" in environment else 0


def slurm_config():
    """A `TF_CONFIG` for the tasks of one `srun`; each task gets its share of the GPUs."""
    places = {}
    if not shutil.which("nvidia-smi"):
        # The resolver places one task per GPU.
        places = {"gpus_per_node": num_slurm_tasks(), "gpus_per_task": 1, "auto_set_gpu": False}
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(**places)
    cluster = resolver.cluster_spec().as_dict()
    task = {"type": resolver.task_type, "index": resolver.task_id}
    return json.dumps({"cluster": cluster, "task": task})


def tpu_address(environment=os.environ, devices=_TPU_DEVICES):
    """The address of this machine's TPU for `TPUClusterResolver`, or None.

    It is the value of `TPU_NAME`; "" in Kubernetes, where the resolver finds the TPU; "local"
    on a machine with an attached TPU. No network is used.
    """
    if environment.get("TPU_NAME"):
        return environment["TPU_NAME"]
    if environment.get("KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS"):
        return ""
    # Other hardware has devices of these names, but does not need the library of the TPU.
    is_attached = any(pathlib.Path(device).exists() for device in devices)
    return "local" if is_attached and importlib.util.find_spec("libtpu") else None
