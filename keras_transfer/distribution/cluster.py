"""Whether this process is one of several, by what its environment says."""

import json
import os
import shutil

import tensorflow as tf

# Parameter servers train asynchronously, in another way than `fit` does.
_WORKERS = ("chief", "worker")


def num_configured_workers(environment=os.environ):
    """The number of workers that `TF_CONFIG` names; 0 without it.

    Raises:
        ValueError: if it is no cluster of workers in which this process has a place.
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
            f"The environment variable TF_CONFIG is not as TensorFlow expects it ({error}). "
            f"Received: TF_CONFIG={text!r}"
        ) from error
    if not cluster:
        return 0
    others = sorted(set(cluster) - set(_WORKERS) - {"evaluator"})
    if others:
        raise ValueError(
            "Training is synchronous, with workers and a chief alone. "
            f"Received: TF_CONFIG with {', '.join(others)}"
        )
    if kind not in workers or not isinstance(index, int) or not 0 <= index < workers[kind]:
        raise ValueError(
            "TF_CONFIG must say which worker of the cluster this process is. "
            f"Received: task={task!r}, cluster={cluster!r}"
        )
    return sum(workers.values())


def num_slurm_tasks(environment=os.environ):
    """The number of tasks that `srun` started together with this process; 0 without it.

    In a shell of `salloc` and in a batch script nothing was started with it yet.
    """
    text = environment.get("SLURM_STEP_NUM_TASKS", "")
    return int(text) if text.isdecimal() and "SLURM_PROCID" in environment else 0


def slurm_config():
    """A `TF_CONFIG` for the tasks of one `srun`, of which this process is one.

    On nodes with GPUs each task gets its share of them.
    """
    places = {}
    if not shutil.which("nvidia-smi"):
        # The resolver gives a place to as many tasks as there are GPUs for.
        places = {"gpus_per_node": num_slurm_tasks(), "gpus_per_task": 1, "auto_set_gpu": False}
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(**places)
    cluster = resolver.cluster_spec().as_dict()
    task = {"type": resolver.task_type, "index": resolver.task_id}
    return json.dumps({"cluster": cluster, "task": task})
