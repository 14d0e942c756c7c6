import subprocess
import sys

import numpy as np
import pytest

from keras_transfer.training import Preempted
from keras_transfer.training.checkpoints import Checkpoints
from tests.pictures import colour_folder
from tests.training.durable import Killed, Stop, kill, train

# Three phases of three epochs of three steps.
IN_THE_HEAD, IN_THE_LAST_STAGE, IN_ALL = 5, 14, 26
WAYS = {
    "on features": {"cached": True},
    "on pictures": {"cached": False},
    "unfreezing": {"cached": False, "unfreezes": True},
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return colour_folder(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def undisturbed(pictures, tmp_path_factory):
    """What a training ends with that nobody stops, for each way."""
    found = {}

    def of(way):
        if way not in found:
            found[way] = train(pictures, tmp_path_factory.mktemp("undisturbed"), **WAYS[way])
        return found[way]

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
    ("way", "batch", "every"),
    [
        ("on features", IN_THE_HEAD, None),
        ("on features", IN_THE_LAST_STAGE, 1),
        ("on pictures", IN_THE_LAST_STAGE, 1),
        ("unfreezing", 5, 2),
        ("unfreezing", 8, None),
    ],
)
def test_killed_training_goes_on_to_the_same_weights(
    pictures, undisturbed, tmp_path, way, batch, every
):
    with pytest.raises(Killed):
        train(pictures, tmp_path, **WAYS[way], stop=Stop(kill, batch), every=every)
    assert 1 <= len(checkpoints(tmp_path)) <= 2
    assert_equal(train(pictures, tmp_path, **WAYS[way], every=every), undisturbed(way))


def test_training_killed_in_every_epoch_ends_with_the_same_weights(
    pictures, undisturbed, tmp_path
):
    for _ in range(15):
        try:
            results = train(pictures, tmp_path, stop=Stop(kill, 8), every=1)
        except Killed:
            continue
        break
    assert_equal(results, undisturbed("on features"))


def test_finished_training_is_not_repeated(pictures, undisturbed, tmp_path):
    train(pictures, tmp_path)
    again = train(pictures, tmp_path, stop=Stop(kill, 1))
    assert_equal(again, undisturbed("on features"))


def train_aside(pictures, directory, signal_name, batch):
    """Trains in a process of its own, which sends itself a signal; batch 0 is none."""
    directory.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.training.durable", str(pictures)]
    command += [str(directory), signal_name, str(batch)]
    return subprocess.run(command, capture_output=True, timeout=300)


def test_sigterm_saves_the_step_and_ends_with_its_own_code(pictures, undisturbed, tmp_path):
    done = train_aside(pictures, tmp_path, "SIGTERM", IN_ALL)
    assert done.returncode == Preempted.CODE == 75, done.stderr
    position = Checkpoints(tmp_path / "run" / "checkpoints").latest()["position"]
    assert (position["epoch"], position["step"]) == (8, 1)
    assert_equal(train(pictures, tmp_path), undisturbed("on features"))


def test_killed_process_goes_on_in_another_one_to_the_same_bits(pictures, tmp_path):
    for name, batch, code in (("killed", IN_ALL, -9), ("killed", 0, 0), ("undisturbed", 0, 0)):
        done = train_aside(pictures, tmp_path / name, "SIGKILL", batch)
        assert done.returncode == code, done.stderr
    results = []
    for name in ("killed", "undisturbed"):
        with np.load(tmp_path / name / "result.npz") as file:
            results.append([file[number] for number in file.files])
    assert_equal(*results, rtol=0, atol=0)


def test_damaged_checkpoint_is_passed_over(pictures, undisturbed, tmp_path):
    with pytest.raises(Killed):
        train(pictures, tmp_path, stop=Stop(kill, IN_ALL), every=1)
    newest = checkpoints(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.warns(UserWarning, match=f"{newest.name}.* is corrupt"):
        results = train(pictures, tmp_path)
    assert_equal(results, undisturbed("on features"))
