import shutil
import subprocess
import sys

import numpy as np
import pytest

from keras_transfer.training import Preempted
from keras_transfer.training.checkpoints import Checkpoints
from tests.pictures import colour_folder
from tests.training.durable import OBJECTIVES, Killed, Snapshots, Stop, kill, train

# Three phases of three epochs of three steps.
IN_THE_HEAD, IN_THE_LAST_STAGE, IN_ALL = 5, 14, 26
WAYS = {
    "on features": {"cached": True},
    "head and last stage": {"phases": slice(2)},
    "on pictures": {"cached": False, "phases": slice(1, 2)},
    "unfreezing": {"cached": False, "phases": slice(1), "unfreezes": True},
    "objectives on features": {"objectives": OBJECTIVES},
    "objectives on pictures": {"objectives": OBJECTIVES, "cached": False},
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return colour_folder(tmp_path_factory.mktemp("pictures"))


class Recorded:
    """A training that nobody stops, and copies of its folder as kills would leave it."""

    def __init__(self, pictures, directory, way, every, batches):
        self.copies = {batch: directory / f"killed-{batch}" for batch in batches}
        snapshots = Snapshots(directory / "training", self.copies)
        self.results = train(
            pictures, directory / "training", **WAYS[way], stop=snapshots, every=every
        )


# How a training runs, how often it saves within an epoch, and the batches that it is killed at.
TRAININGS = {
    ("head and last stage", None): [IN_THE_HEAD],
    ("on features", 1): [IN_THE_LAST_STAGE, IN_ALL],
    ("on pictures", 1): [5],
    ("unfreezing", 2): [5],
    ("unfreezing", None): [8],
    ("objectives on features", 1): [5],
    ("objectives on pictures", 1): [5],
}

MARKS = {
    ("on pictures", 1): pytest.mark.exhaustive,
    ("unfreezing", None): pytest.mark.exhaustive,
    ("objectives on features", 1): pytest.mark.exhaustive,
    ("objectives on pictures", 1): pytest.mark.slow,
}


@pytest.fixture(scope="module")
def recorded(pictures, tmp_path_factory):
    """One training for each of `TRAININGS`, made when it is asked for."""
    found = {}

    def of(way, every):
        if (way, every) not in found:
            directory = tmp_path_factory.mktemp("recorded")
            batches = TRAININGS[way, every]
            found[way, every] = Recorded(pictures, directory, way, every, batches)
        return found[way, every]

    return of


def assert_equal(results, expected, **tolerance):
    """Within what threads that add in another order make; another batch makes a hundredfold."""
    tolerance = tolerance or {"rtol": 1e-5, "atol": 1e-6}
    assert len(results) == len(expected)
    for one, other in zip(results, expected, strict=True):
        np.testing.assert_allclose(one, other, **tolerance)


def checkpoints(directory):
    return sorted((directory / "run" / "checkpoints").glob("checkpoint-*.npz"))


@pytest.mark.parametrize(
    ("way", "every", "batch"),
    [
        pytest.param(*training, batch, marks=MARKS.get(training, ()))
        for training, batches in TRAININGS.items()
        for batch in batches
    ],
)
def test_killed_training_resumes_to_the_same_weights(
    pictures, recorded, tmp_path, way, every, batch
):
    training = recorded(way, every)
    place = shutil.copytree(training.copies[batch], tmp_path / "killed")
    assert 1 <= len(checkpoints(place)) <= 2
    assert_equal(train(pictures, place, **WAYS[way], every=every), training.results)


def test_training_that_is_killed_again_resumes_to_the_same_weights(
    pictures, recorded, tmp_path
):
    for _ in range(4):
        try:
            results = train(pictures, tmp_path, stop=Stop(kill, 11), every=1)
        except Killed:
            continue
        break
    assert_equal(results, recorded("on features", 1).results)


def test_finished_training_is_not_repeated(pictures, recorded):
    training = recorded("on features", 1)
    place = training.copies[IN_ALL].parent / "training"
    assert_equal(train(pictures, place, stop=Stop(kill, 1), every=1), training.results)


def train_aside(pictures, directory, signal_name, batch):
    """Trains in a process of its own, which sends itself a signal; batch 0 is none."""
    directory.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.training.durable", str(pictures)]
    command += [str(directory), signal_name, str(batch)]
    return subprocess.run(command, capture_output=True, timeout=300)


@pytest.fixture(scope="module")
def undisturbed(pictures, tmp_path_factory):
    """What a process of its own ends with."""
    return results_of(pictures, tmp_path_factory.mktemp("undisturbed"))


def results_of(pictures, directory):
    done = train_aside(pictures, directory, "SIGKILL", 0)
    assert done.returncode == 0, done.stderr
    with np.load(directory / "result.npz") as file:
        return [file[number] for number in file.files]


@pytest.mark.slow
def test_sigterm_saves_the_step_and_another_process_goes_on_to_the_same_bits(
    pictures, undisturbed, tmp_path
):
    done = train_aside(pictures, tmp_path, "SIGTERM", IN_ALL)
    assert done.returncode == Preempted.CODE == 75, done.stderr
    position = Checkpoints(tmp_path / "run" / "checkpoints").latest()["position"]
    assert (position["epoch"], position["step"]) == (8, 1)
    assert_equal(results_of(pictures, tmp_path), undisturbed, rtol=0, atol=0)


@pytest.mark.exhaustive  # quickly with copies of the folder, above
def test_killed_process_goes_on_in_another_one_to_the_same_bits(
    pictures, undisturbed, tmp_path
):
    done = train_aside(pictures, tmp_path, "SIGKILL", IN_ALL)
    assert done.returncode == -9, done.stderr
    assert_equal(results_of(pictures, tmp_path), undisturbed, rtol=0, atol=0)


def test_corrupt_checkpoint_is_skipped(pictures, recorded, tmp_path):
    training = recorded("on features", 1)
    shutil.copytree(training.copies[IN_THE_LAST_STAGE], tmp_path / "corrupt")
    newest = checkpoints(tmp_path / "corrupt")[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.warns(UserWarning, match=f"{newest.name}.* is corrupt"):
        results = train(pictures, tmp_path / "corrupt", every=1)
    assert_equal(results, training.results)
