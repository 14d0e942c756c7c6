import itertools
import json
import pathlib
import shutil

import numpy as np
import pytest

from keras_transfer.auditing.findings import ClassSizes
from keras_transfer.auditing.groups import GroupAccuracy
from keras_transfer.auditing.shifts import DomainShift
from keras_transfer.auditing.shortcuts import Confounds, Shortcut
from keras_transfer.plans.likeness import Likeness
from keras_transfer.runs.findings_figures import panels_of
from keras_transfer.training.learning_rate_range import LearningRateRange
from keras_transfer.transferability.layer_probes import LayerProbes, StageProbe
from keras_transfer.transferability.rankings import CandidateScore, Ranking
from tests.runs.pages import Page, page_of

EVIL = '<script>alert("x")</script>'


def candidate(name, accuracy):
    interval = (accuracy - 0.02, accuracy + 0.02)
    return CandidateScore(name, accuracy, interval, 0.1, 0.1, None, None, 10, 1.0, 50.0)


def stage(name, accuracy, cka):
    correct = np.arange(100) < 100 * accuracy
    interval = (accuracy - 0.05, accuracy + 0.05)
    return StageProbe(name, f"{name}_end", accuracy, interval, correct, 0.1, cka, 10)


def audit_content():
    shift = DomainShift(0.8, 0.001, 0.1, 0.001, 0.05, (50, 50), (50, 50))
    shortcut = Shortcut("file", 0.6, (0.5, 0.7), 0.001, 0.8, 0.6, True)
    sizes = ClassSizes({EVIL: 30, "bees": 20}).to_json()
    return {
        "findings": [],
        "classes": {"train": sizes, "test": sizes},
        "shortcuts": Confounds(0.9, (0.85, 0.95), 0.5, (shortcut,), 50).to_json(),
        "shifts": {"test": {"content": shift.to_json(), "appearance": shift.to_json()}},
        "groups": [GroupAccuracy(EVIL, 10, 5, (0.2, 0.8), 0.01, True).to_json()],
    }


def contents():
    likeness = Likeness(100, 2, 0.5, 0.9, (0.85, 0.95), 0.6, (0.2, 0.4))
    rates = tuple(float(rate) for rate in np.geomspace(1e-6, 1, 30))
    losses = tuple(float(loss) for loss in np.linspace(2, 1, 30))
    return {
        "audit": audit_content(),
        "rank": Ranking((candidate(EVIL, 0.9), candidate("b", 0.5)), 50, 1.0, 0.5).to_json(),
        "probe": LayerProbes(
            (stage(EVIL, 0.5, 0.3), stage("last", 0.5, None)), 100, "net"
        ).to_json(),
        "recommend": {"strategy": "train the head", "likeness": likeness.to_json()},
        "find-lr": LearningRateRange(rates, losses, losses, True).to_json(),
    }


# What each panel says in words: its title, its axes with units, and what its colours mean.
SAID = {
    "audit": [
        "Images in each class", "train", "test", "Shortcut features", "largest class", "alarm",
        "cross-validated accuracy, 95% CI", "Shift against the training set", "significant",
        "Accuracy by group", "below the rest",
    ],
    "rank": ["Expected accuracy", "below the best", "Pareto-optimal", "images per second"],
    "probe": [
        "Accuracy on the features of each stage", "95% CI", "no improvement after it",
        "CKA (1: equal up to rotation and scale)",
    ],
    "recommend": ["Linear probe with and without pretraining", "largest class", "these images"],
    "find-lr": ["Loss by learning rate", "loss of a batch", "learning rate (logarithmic)"],
}  # fmt: skip


def test_figures_of_all_commands_are_part_of_the_page(run):
    for command, content in contents().items():
        (run / f"{command}.json").write_text(json.dumps(content))
    text = page_of(run)
    page = Page(text)
    for words in itertools.chain(*SAID.values()):
        assert words in page.text["findings"], words
    assert "<script" not in text and "Corrupt" not in text
    assert len(page.ids) == len(set(page.ids))
    assert "#4c72b0" not in text[text.index('<section id="findings"') :]


@pytest.mark.parametrize("broken", [[1, None], "text", {"a": 1}], ids=str)
def test_values_of_a_wrong_kind_do_not_stop_the_page(run, broken):
    for command, content in contents().items():
        (run / f"{command}.json").write_text(json.dumps(dict.fromkeys(content, broken)))
    assert 'id="findings"' in page_of(run)


def test_panels_of_older_files_are_left_out():
    assert all(panels_of(command, {}) == [] for command in SAID)


def test_copies_and_suspected_labels_are_shown_and_marked(run):
    data = pathlib.Path(json.loads((run / "run.json").read_text())["data"])
    photos = [str(path) for path in sorted(data.glob("validation/*/*.png"))]
    copy = shutil.copy(photos[1], data / "copy.png")
    pair = {
        "names": [photos[0], str(copy)], "evidence": "same image",
        "splits": ["train", "validation"], "labels": [0, 0],
    }  # fmt: skip
    error = {
        "name": photos[0], "given": "red", "suggested": "rose", "given_probability": 0.015,
        "suggested_probability": 0.97,
    }  # fmt: skip
    audit = {
        "duplicates": {"pairs": [pair], "num_copies": 6},  # five were left out
        "labels": {"errors": [error]},
    }
    (run / "audit.json").write_text(json.dumps(audit))
    page = Page(page_of(run))
    copy.unlink()
    assert "Pairs of copies: 1, 1 shown" in page.text["findings"]
    assert "in two splits" in page.text["findings"]
    assert "Labels that are likely wrong: 1, 1 shown" in page.text["findings"]
    assert "the audit suggests rose 97%" in page.text["findings"]
    assert "suspected label: the audit suggests rose" in page.text["gallery"]
