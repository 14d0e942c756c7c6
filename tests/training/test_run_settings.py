"""A training goes on with what it was started with, and with nothing else."""

import dataclasses
import errno
import json
import os
import shutil
import subprocess
import sys

import filelock
import keras
import numpy as np
import pytest

from keras_transfer import data, freezing, heads, models, plans, training
from tests.networks import residual_backbone
from tests.pictures import colour_folder, draw

PLAN = plans.Plan([plans.Phase(freezing.FreezeAll(), 1, 1e-2)])


@pytest.fixture
def pictures(tmp_path):
    return colour_folder(tmp_path / "pictures", per_class=2)


def train(pictures, directory, plan=PLAN, backbone=None, num_classes=3, **options):
    keras.utils.set_random_seed(0)
    splits = data.image_folder(pictures, image_size=16, batch_size=6)
    model = models.TransferModel(
        backbone or residual_backbone("tf"),
        heads.SoftmaxHead(num_classes, **options.pop("head", {})),
    )
    train = options.pop("augmentation", lambda dataset: dataset)(splits.train)
    return training.fine_tune(
        model, train, splits.validation, plan=plan, directory=directory, cache=False,
        verbose=0, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of images and a training on them, which no test changes."""
    folder = tmp_path_factory.mktemp("trained")
    colour_folder(folder / "pictures", per_class=2)
    train(folder / "pictures", folder / "run")
    return folder


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained / "run", tmp_path / "run")


def other_plan():
    return plans.Plan([dataclasses.replace(PLAN.phases[0], learning_rate=1e-3)])


def other_backbone():
    keras.utils.set_random_seed(0)
    backbone = residual_backbone("tf")
    weight = backbone.weights[0]
    weight.assign(weight + 1)
    return backbone


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"plan": other_plan}, "another plan"),
        ({"backbone": other_backbone}, "backbone: .*digest .*, now .*digest"),
        ({"head": lambda: {"dropout": 0.5}}, "another heads"),
        ({"class_weight": lambda: {0: 1, 1: 2, 2: 1}}, "another class weights"),
        ({"time_budget": lambda: 60.0}, "time budget: None, now 60.0"),
        ({"augmentation": data.augmentation.light}, "training images: .*, augmentation"),
    ],
)
def test_other_settings_are_refused_by_name(trained, run, changed, named):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    with pytest.raises(ValueError, match=f"started with other settings: {named}"):
        train(trained / "pictures", run, **{name: make() for name, make in changed.items()})
    after = {path: path.stat().st_mtime_ns for path in run.rglob("*.*")}
    assert after.items() <= before.items()


def test_changed_pictures_are_refused(pictures, tmp_path):
    train(pictures, tmp_path / "run")
    draw(pictures / "train" / "red" / "new.png", (200, 10, 10), 5)
    with pytest.raises(ValueError, match=r"training images: 6, .* now 7, "):
        train(pictures, tmp_path / "run")


def test_plan_that_was_chosen_is_kept(pictures, tmp_path, monkeypatch):
    module = sys.modules["keras_transfer.training.fine_tuning"]  # the package has the function
    monkeypatch.setattr(module, "choose_plan", lambda *arguments: PLAN)
    assert train(pictures, tmp_path / "run", plan=None).plan == PLAN
    # Another machine or version would choose another one.
    monkeypatch.setattr(module, "choose_plan", lambda *arguments: other_plan())
    assert train(pictures, tmp_path / "run", plan=None).plan == PLAN


def edit(path, *keys_and_value):
    *keys, last, value = keys_and_value
    found = json.loads(path.read_text())
    part = found
    for key in keys:
        part = part[key]
    part[last] = value
    path.write_text(json.dumps(found))


SETTINGS = "checkpoints/settings.json"
CHANGES = {
    "plan.json' is missing": lambda run: (run / "plan.json").unlink(),
    "not the plan that .*another phases": lambda run: edit(
        run / "plan.json", "phases", 0, "epochs", 7
    ),
    "from_scratch: False, now True": lambda run: edit(run / "plan.json", "from_scratch", True),
    "'training' is missing": lambda run: (run / SETTINGS).unlink(),
    "not a JSON object of objects": lambda run: edit(run / SETTINGS, "training", 3),
    "training images: many": lambda run: edit(
        run / SETTINGS, "training", "training images", "many"
    ),
    r"time budget: \\x1b\[31m": lambda run: edit(
        run / SETTINGS, "training", "time budget", "\x1b[31m" + 900 * "a"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("told", "change"), CHANGES.items(), ids=CHANGES)
def test_what_was_removed_or_changed_in_the_folder_is_named(trained, run, told, change):
    change(run)
    before = (run / "model.keras").stat().st_mtime_ns
    with pytest.raises(ValueError, match=told) as caught:
        train(trained / "pictures", run)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000
    assert (run / "model.keras").stat().st_mtime_ns == before


def test_renamed_class_is_named(pictures, tmp_path):
    train(pictures, tmp_path / "run")
    for folder in pictures.glob("*/red"):
        folder.rename(folder.with_name("rouge"))
    with pytest.raises(ValueError, match=r"class names: .*'red'.*, now .*'rouge'"):
        train(pictures, tmp_path / "run")


def test_unreadable_settings_are_told(trained, run):
    (run / "checkpoints/settings.json").write_text("{")
    with pytest.raises(ValueError, match="settings cannot be read"):
        train(trained / "pictures", run)


def test_second_process_on_a_folder_is_told(pictures, tmp_path):
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    lock = tmp_path / "run/checkpoints/.lock"
    holder = (
        "import filelock, sys; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); "
        "print(flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        process.stdout.readline()
        with pytest.raises(FileExistsError, match="Another process is training in"):
            train(pictures, tmp_path / "run")
        process.communicate("\n")
    with filelock.FileLock(lock).acquire(timeout=10):
        pass
    assert len(train(pictures, tmp_path / "run").epoch) == 1


def test_settings_are_readable(trained):
    settings = json.loads((trained / "run/checkpoints/settings.json").read_text())
    assert settings["training"]["training images"].startswith("6, in batches of 6, digest ")


def test_training_goes_on_where_its_state_cannot_be_saved(pictures, tmp_path, monkeypatch):
    def full(path, **arrays):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(UserWarning, match="could not be saved .*No space left"):
        history = train(pictures, tmp_path / "run")
    assert len(history.epoch) == 1
    assert sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir()) == [
        "settings.json"
    ]
