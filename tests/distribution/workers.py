"""Local processes that train together."""

import os
import pathlib
import subprocess
import sys

from tests.distribution.worker_group import cluster_config, free_ports

_ROOT = pathlib.Path(__file__).parents[2]
_LONGEST = 600


def run(module, directory, num_workers, devices=1, arguments=()):
    """Runs a module of the tests in processes that form a cluster.

    Args:
        module: its name; it gets the worker's folder, the number of its devices and the further
            arguments.
        directory: gets a folder for each worker.
        num_workers: how many; one alone is no cluster.
        devices: logical CPU devices of each worker. Defaults to 1.
        arguments: further ones, strings.

    Returns:
        The workers' folders.
    """
    ports = free_ports(num_workers)
    processes, folders = [], []
    for index in range(num_workers):
        folder = pathlib.Path(directory) / f"worker-{index}"
        folder.mkdir(parents=True)
        folders.append(folder)
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
        environment.pop("TF_CONFIG", None)
        if num_workers > 1:
            environment["TF_CONFIG"] = cluster_config(ports, index)
        with open(folder / "output", "w", encoding="utf-8") as output:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", module, str(folder), str(devices), *arguments],
                    cwd=_ROOT,
                    env=environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )
    try:
        codes = [process.wait(_LONGEST) for process in processes]
    finally:
        for process in processes:
            process.kill()
    outputs = [(folder / "output").read_text("utf-8")[-2000:] for folder in folders]
    assert not any(codes), "\n".join(outputs)
    return folders
