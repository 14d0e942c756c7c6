import json
import pathlib

import numpy as np
import pytest

from keras_transfer import runs
from keras_transfer.calibration.measures import measure
from keras_transfer.runs.folder import RunFolder
from keras_transfer.runs.predictions import Predictions
from keras_transfer.runs.verdict import verdict
from tests.runs.pages import NAMES, Page, page_of


def pair(splits, labels=(0, 0)):
    names = ["/absent/a.png", "/absent/b.png"]
    return {"names": names, "evidence": "same image", "splits": splits, "labels": labels}


def with_audit(run, pairs, **more):
    content = {"duplicates": {"pairs": pairs, "num_copies": len(pairs)}, **more}
    (run / "audit.json").write_text(json.dumps(content))
    return verdict(runs.Run(run))


def said(found):
    return [text for text, _ in found["cautions"]]


def test_verdict_is_the_first_section_and_agrees_with_the_metrics(run):
    measured = json.loads((run / "metrics.json").read_text())["validation"]
    page = Page(page_of(run))
    assert next(iter(page.text)) == "verdict"
    low, high = measured["accuracy_interval"]
    assert low <= measured["accuracy"] <= high
    text = page.text["verdict"]
    assert f"{measured['accuracy']:.1%} (95% CI {low:.1%} to {high:.1%}) of 18" in text
    # 6 of 18 images of each of 3 classes.
    assert "always the largest class: 33.3%" in text
    assert "(66.7% of 6)" in text, "every third image of each class is misclassified"


def test_what_was_chosen_on_the_images_is_said_first(run):
    found = verdict(runs.Run(run))
    assert found["cautions"][0] == (
        "The epoch and the temperature were chosen on these images, so the accuracy is "
        "optimistic: a test set gives an unbiased estimate.",
        "warning",
    )


def test_nothing_was_chosen_on_a_test_set(run):
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["test"] = metrics["validation"]
    (run / "metrics.json").write_text(json.dumps(metrics))
    assert verdict(runs.Run(run))["cautions"][0][1] == "good"


def test_leaks_are_counted_by_the_splits_of_the_run(run):
    measured = runs.Run(run).predictions["validation"].paths
    # The audit had another split of its own.
    leak = {**pair(["train", "train"]), "names": [measured[0], "/absent/b.png"]}
    found = with_audit(run, [leak] * 8 + [pair(["train", "validation"], [0, 1])])
    assert ("8 pairs of copies lie in two splits: the accuracy is too high.", "alarm") in (
        found["cautions"]
    )
    assert ("1 pair of copies has different labels.", "warning") in found["cautions"]


def test_images_that_were_left_out_leak_nothing(run):
    settings = json.loads((run / "run.json").read_text())
    found = {**pair(["train", "train"]), "names": runs.Run(run).predictions["validation"].paths}
    found["names"] = [found["names"][0], str(pathlib.Path(settings["data"], "left/out.png"))]
    (run / "run.json").write_text(json.dumps({**settings, "excluded": ["left/out.png"]}))
    assert "No copies in two splits." in said(with_audit(run, [found]))


def test_without_an_audit_leaks_are_not_denied(run):
    assert any("not checked for copies" in text for text in said(verdict(runs.Run(run))))
    assert "No copies in two splits." in said(with_audit(run, []))


def test_an_audit_of_other_images_says_nothing(run):
    found = with_audit(run, [pair(["train", "test"])], data="/other")
    assert any("not checked for copies" in text for text in said(found))


def test_figures_of_an_alarm_stand_once(run):
    conclusion = "Shift of content from train to test: AUC 0.79 (p = 0.002)."
    finding = {"kind": "shift", "severity": "alarm", "conclusion": conclusion}
    with_audit(run, [], findings=[finding])
    page = page_of(run)
    assert "Shift of content from train to test." in Page(page).text["verdict"]
    assert page.count("p = 0.002") == 1


@pytest.mark.parametrize(
    ("command", "content"),
    [
        ("recommend", {"likeness": {"accuracy": 0.867}}),
        ("probe", {"stages": [{"accuracy": 0.3}, {"accuracy": 0.867}]}),
    ],
)
def test_a_linear_probe_is_named_only_where_one_was_measured(run, command, content):
    assert not any("linear" in part for part in verdict(runs.Run(run))["parts"])
    (run / f"{command}.json").write_text(json.dumps(content))
    (part,) = (one for one in verdict(runs.Run(run))["parts"] if "linear" in one)
    assert part == "a linear classifier on the network's features: 86.7%, cross-validated"


def test_a_probe_that_knew_no_groups_is_not_compared(run):
    settings = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**settings, "group": "patient"}))
    (run / "recommend.json").write_text(json.dumps({"likeness": {"accuracy": 0.867}}))
    assert not any("linear" in part for part in verdict(runs.Run(run))["parts"])


def test_the_head_alone_is_that_of_the_first_phase(run):
    # The history has 0.6 in each epoch, and `val_accuracy` is that of these images.
    assert "without fine-tuning of the network: 60.0%" in verdict(runs.Run(run))["parts"]


def test_no_measured_split_is_an_alarm(run):
    metrics = json.loads((run / "metrics.json").read_text())
    del metrics["validation"]
    (run / "metrics.json").write_text(json.dumps(metrics))
    assert "the accuracy is not known" in Page(page_of(run)).text["verdict"]


def test_the_weakest_of_equal_classes_is_the_one_with_most_images(run):
    labels = np.array([0, 0, 0, 0, 1, 1])
    probabilities = np.float32(np.eye(3)[[0, 0, 1, 1, 0, 1]]) * 0.9 + 0.03
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["validation"] = measure(probabilities, labels, NAMES)
    (run / "metrics.json").write_text(json.dumps(metrics))
    RunFolder(run).write_predictions([Predictions("validation", probabilities, labels, ())])
    (part,) = (one for one in verdict(runs.Run(run))["parts"] if "weakest" in one)
    assert "(50.0% of 4)" in part
