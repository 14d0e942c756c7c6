import builtins

import numpy as np
import pytest

from keras_transfer.auditing import label_errors

RANDOM = np.random.default_rng(0)
NAMES = ("ants", "bees", "wasps")


def clusters(per_class=30, classes=3):
    labels = np.repeat(np.arange(classes), per_class)
    centres = 6 * np.eye(classes, 8)
    return centres[labels] + RANDOM.normal(size=(len(labels), 8)), labels


def test_planted_errors_are_found_with_the_class_they_look_like():
    features, labels = clusters()
    wrong = labels.copy()
    planted = {4: 1, 40: 2, 75: 0}
    for row, label in planted.items():
        wrong[row] = label
    found = label_errors(features, wrong, NAMES)
    assert {error.index for error in found.errors} == set(planted)
    for error in found.errors:
        assert error.given == NAMES[planted[error.index]]
        assert error.suggested == NAMES[labels[error.index]]
        assert error.suggested_probability > 0.5 > error.given_probability
    assert found.num_judged == 90
    assert np.flatnonzero(~found.correct).tolist() == sorted(planted)
    assert "3 of 90 labels (3.3%)" in found.conclusion
    assert found.to_json()["errors"][0]["index"] in planted


def test_the_likeliest_come_first():
    features, labels = clusters()
    labels[[4, 40]] = 1, 2
    errors = label_errors(features, labels, NAMES).errors
    assert [e.given_probability for e in errors] == sorted(e.given_probability for e in errors)


def test_clean_labels_have_no_errors():
    assert label_errors(*clusters(), NAMES).errors == ()


def test_classes_without_images_or_with_one_are_left_out():
    features, labels = clusters(classes=2)
    features = np.concatenate([features, RANDOM.normal(size=(1, 8))])
    labels = np.append(2 * labels, 3)  # no image of class 1, one of class 3
    labels[5] = 2
    found = label_errors(features, labels, ("a", "none", "b", "one"))
    assert [error.index for error in found.errors] == [5]
    assert (found.errors[0].given, found.errors[0].suggested) == ("b", "a")
    assert found.num_judged == 60
    assert not found.correct[-1]


def test_a_class_of_two_makes_no_other_suspicious():
    features, labels = clusters()
    features = np.concatenate([features, 6 * np.eye(1, 8, 5) + RANDOM.normal(size=(2, 8))])
    found = label_errors(features, np.append(labels, [3, 3]), (*NAMES, "hornets"))
    assert (found.num_judged, found.errors, found.accuracy) == (90, (), 1.0)


def test_classes_of_two_are_judged_where_there_are_no_larger_ones():
    features, labels = clusters(per_class=2)
    assert label_errors(features, labels, NAMES).num_judged == 6


def test_probes_that_know_little_call_no_label_wrong():
    labels = np.arange(90) % 3
    found = label_errors(RANDOM.normal(size=(90, 8)), labels, NAMES)
    assert (found.errors, found.can_judge) == ((), False)
    assert found.chance == pytest.approx(1 / 3)
    assert "cannot be judged" in found.conclusion and "chance is 33%" in found.conclusion
    assert found.to_json()["can_judge"] is False


def test_labels_are_indices_of_names():
    with pytest.raises(ValueError, match="Received: the label 2 for 2 classes"):
        label_errors(*clusters(), NAMES[:2])


def test_two_classes_of_two_images_are_needed():
    with pytest.raises(ValueError, match=r"two classes must have two.*Received: \[3, 1\]"):
        label_errors(RANDOM.normal(size=(4, 2)), [0, 0, 0, 1], NAMES)


def test_without_cleanlab_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def refuse(name, *others, **more):
        if name.startswith("cleanlab"):
            raise ImportError(name)
        return real(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match="pip install cleanlab"):
        label_errors(*clusters(), NAMES)
