import re

import pytest

from keras_transfer.optimizers import patterns


def test_mapping_and_pairs_mean_the_same_and_keep_their_order():
    pairs = [("b", 1), ("a", 0.5)]
    assert list(patterns.validated(pairs).items()) == [("b", 1.0), ("a", 0.5)]
    assert patterns.validated(dict(pairs)) == patterns.validated(pairs)


@pytest.mark.parametrize(
    "multipliers, message",
    [
        ({}, "at least one"),
        ([("a", 1.0, 2)], "list of (pattern, multiplier) pairs"),
        (["ab"], "list of (pattern, multiplier) pairs"),
        ([(3, 1.0)], "must be a string"),
        ([("(a", 1.0)], "not a valid regular expression"),
        ([("a", 1.0), ("a", 2.0)], "given twice"),
        ([("a", 0.0)], "freeze policy"),
        ([("a", -1.0)], "freeze policy"),
        ([("a", float("nan"))], "finite"),
        ([("a", float("inf"))], "finite"),
        ([("a", True)], "positive, finite number"),
        ([("a", "1")], "positive, finite number"),
    ],
)
def test_invalid_multipliers_say_what_is_wrong(multipliers, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        patterns.validated(multipliers)
    assert "Received: " in str(error.value)


def test_first_match_wins_and_must_match_the_whole_path():
    matches = patterns.first_matches(["a", "a/.*", ".*/k"], ["a", "a/k", "b/k", "ab"])
    assert matches == ["a", "a/.*", ".*/k", None]


def test_uncovered_path_is_named_with_the_closest_patterns():
    with pytest.raises(ValueError, match=r"'head/kernel'.*1 of 2.*Closest.*'haed/\.\*'"):
        patterns.check_covered(["stem/.*", "haed/.*"], ["stem/kernel", "head/kernel"])


def test_pattern_that_matches_nothing_is_named_with_the_closest_paths():
    with pytest.raises(ValueError, match=r"'haed/\.\*' matches none.*'head/kernel'.*check"):
        patterns.check_used(["haed/.*", ".*"], ["stem/kernel", "head/kernel"])


def test_pattern_behind_one_that_takes_all_it_matches_is_named_with_that_one():
    with pytest.raises(ValueError, match=r"'head/\.\*' is never used.*'head/kernel' by '\.\*'"):
        patterns.check_used([".*", "head/.*"], ["stem/kernel", "head/kernel"])
