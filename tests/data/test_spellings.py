"""Columns that hold something else than their cells decide: a warning, or an error."""

import numpy as np
import pytest

from keras_transfer import data
from keras_transfer.data.columns import column_messages, kinds_of
from keras_transfer.data.sources import columns_of, read_source
from keras_transfer.data.spellings import out_of_range
from keras_transfer.data.targets import read_targets

IDS = [f"P{number:05}" for number in range(30)]
DATES = [f"19{50 + number}-03-{number % 28 + 1:02}" for number in range(30)]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (IDS, "categories (names or ids, nearly all different: 'P00000')"),
        (DATES, "categories (dates or times: '1950-03-01')"),
        (["3/4/2020", "12/5/2021"], "categories (dates or times"),
        (["5 Mar 2020", "7 Jun 2021"], "categories (dates or times"),
        (["10:30", "9:15"], "categories (dates or times"),
        (["1,234", "999", "1,234,567.5"], "categories (numbers with commas"),
        (["1,5", "2,25"], "categories (numbers with commas"),
        (["1.234,5", "999"], "categories (numbers with commas"),
        (["$5.50", "$12"], "categories (numbers with commas"),
        (["5%", "-12.5%"], "categories (numbers with commas"),
        ([f"{number} kg" for number in range(30)], "categories (numbers with commas"),
        ([*map(str, range(30)), "unknown"], "categories (numbers and words: 'unknown')"),
        (["01234", "94110"], "numbers (codes: '01234')"),
        (
            [f"{1.7e9 + number / 10}" for number in range(30)],
            "(they differ by too little for",
        ),
        ([f"{number}e-30" for number in range(30)], "they differ by less than 1e-18"),
        ([*map(str, range(1, 61))], "numbers (ids, a different whole number in each row: '1')"),
        ([str(7 * n % 61) for n in range(61)], "numbers (ids, a different whole number"),
        ([str(9000 - 7 * n) for n in range(60)], "numbers (ids, a different whole number"),
        ([str(n) for n in range(30)], None),  # few
        ([str(1000 + n * n * 37 % 1009) for n in range(60)], None),  # no order, and gaps
        ([str(n // 2) for n in range(60)], None),
        ([f"{n}.5" for n in range(60)], None),
        (["cook", "nurse", "", "NA"], None),
        ([f"EUR {number}.50" for number in range(30)] * 2, "categories (numbers with commas"),
        (["room 1", "room 2"], None),
        ([f"room {number}" for number in range(30)] * 2, None),
        (["A12", "B7"], None),
        (["1", "2.5", "-3e4", "?"], None),
        ([], None),
    ],
)
def test_a_column_that_may_hold_something_else_is_named(cells, told):
    rows = [{"it": cell, "other": "x"} for cell in cells or ["", ""]]
    messages = column_messages(rows, kinds_of(rows, ["it", "other"], "a.csv"), ["it", "other"])
    assert len(messages) == (told is not None)
    assert told is None or told in messages[0]
    assert not messages or "'other'" not in messages[0]
    kinds = kinds_of(rows, {"it": "categories"}, "a.csv")
    assert not column_messages(rows, kinds, {"it": "categories"})


def targets(cells, task=None, names=None):
    return read_targets([[cell] for cell in cells], ["it"], task, "a.csv", names)


@pytest.mark.parametrize(
    ("cells", "task", "message"),
    [
        (["8,86", "7,1"], None, "may hold numbers with commas.*1234.5.*Received: '8,86'"),
        (["8,86", "7,1"], "numbers", "Row 2 .*write it as 1234.5.*Received: '8,86'"),
        ([f"{n},{n}0%" for n in range(30)], None, "may hold numbers with commas"),
        (DATES, None, "may hold dates or times.*Received: '1950-03-01'"),
        (IDS, None, "name the column with the class with `targets`"),
        (
            ["1e31", "2e31", "3.5e31"],
            "numbers",
            r"lie beyond 1e\+18, divide them.*3.5e\+31",
        ),
        (["1e-31", "2e-31", "3.5e-31"], None, "differ by less than 1e-18, multiply them"),
        (["1700000000.1", "1700000000.2"], None, "subtract 1700000000 from each"),
        *[
            (["yes", "no", missing], None, f"Row 4 .*--task classes.*Received: '{missing}'")
            for missing in ("NA", "nan", "null", "None", "n/a")
        ],
        (["yes", "no", ""], None, "Row 4 of 'a.csv' has no class.*remove the row"),
        (["yes", "no", ""], "classes", "Row 4 of 'a.csv' has no class"),
    ],
)
def test_a_target_that_may_be_something_else_is_an_error(cells, task, message):
    with pytest.raises(ValueError, match=message):
        targets(cells, task)


def test_a_country_may_be_called_na():
    found = targets(["NA", "ZA", "NA"], "classes")
    assert found.rows == ("NA", "ZA", "NA")
    assert "'NA' in the column 'it' is a class" in found.messages[0]
    assert "2 rows, the first one row 2" in found.messages[0]


def test_few_dates_are_classes_and_a_missing_list_has_no_label():
    assert targets(["2020-01-01", "2021-01-01"] * 5).task == "classes"
    assert targets(["a;b", "nan", "a"]).rows == ((1.0, 1.0), (0.0, 0.0), (1.0, 0.0))


@pytest.mark.parametrize("name", ["s{}", "class {}", "id10{}"])
def test_names_with_numbers_are_classes(name):
    assert targets([name.format(number) for number in range(100, 140)] * 3).task == "classes"


def test_whole_numbers_that_do_not_count_up_may_be_measurements():
    cells = [str(3 * number) for number in range(12)] * 3
    found = targets(cells)
    assert found.task == "classes" and "pass `task='numbers'`" in found.messages[0]
    assert not targets(cells, "classes").messages
    for codes in (range(10), (1, 2, 4), [7, 8, 9, 10, 11, 12]):
        assert not targets([*map(str, codes)] * 3).messages


def test_targets_that_measure_a_model_need_not_vary():
    assert targets(["3.5", "3.5"], "numbers", ("it",)).rows == ((3.5,), (3.5,))
    found = targets(["a", ""], "labels", ("a", "b"))
    assert found.names == ("a", "b") and not found.messages


@pytest.mark.filterwarnings("error")
def test_numbers_of_any_size_are_measured_without_warnings():
    assert out_of_range(np.array([1e200, 2e200])) == "lie beyond 1e+18, divide them"
    assert out_of_range(np.array([])) is None
    assert out_of_range(np.array([5.0, 5.0])) is None


def test_a_missing_class_of_a_text_is_an_error_unless_it_is_one(tmp_path):
    rows = [f"text {number},{('NA', 'ZA')[number % 2]}" for number in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    with pytest.raises(ValueError, match=r"has no class in its column 'label'.*--task classes"):
        data.text_table(tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"A text has one class. Received: task='labels'"):
        data.text_table(tmp_path / "t.csv", task="labels")
    with pytest.warns(data.DataWarning, match="'NA' in the column 'label' is a class"):
        assert data.text_table(tmp_path / "t.csv", task="classes").class_names == ("NA", "ZA")
    columns = columns_of({"task": "classes", "targets": None}, "texts")  # of a finished run
    splits = read_source(tmp_path / "t.csv", class_names=("NA", "ZA"), **columns)
    assert splits.class_names == ("NA", "ZA") and not splits.warnings
