"""Columns that may hold something else than numbers or categories: dates, codes, ids."""

import re

import numpy as np

# The square of a larger number is infinite in float32, and that of a smaller one is 0.
MOST, LEAST = 1e18, 1e-18
MISSING = ("", "?", "na", "n/a", "nan", "null", "none")
IDS = "names or ids, nearly all different"
NUMBERED = "ids, a different whole number in each row"
# The share of the cells that decides what a column holds.
_NEARLY_ALL = 0.9
# Fewer whole numbers may all be different by chance.
_FEWEST_IDS = 50
# Fewer different cells are categories, whatever they look like.
_MOST_CATEGORIES = 20
# The share of a column's standard deviation that may be lost in float32.
_LOST = 0.01
_DATES = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})"
    r"|\d{1,2}\.? ?[A-Za-z]{3,9},? ?\d{4}|[A-Za-z]{3,9}\.? \d{1,2},? \d{4})([T ]\d{1,2}:.*)?"
    r"|\d{1,2}:\d{2}(:\d{2}.*)?"
)
_NUMBER = re.compile(r"\d+(\.\d+)?|\d+,\d+|\d{1,3}([,.' ]\d{3})+([,.]\d+)?")
_CODE = re.compile(r"[-+]?0\d+")
_WORDS = re.compile(r"[^\W\d_]")


def is_number(text):
    """Whether Python reads it as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def misread(cells):
    """What a column that is not read as numbers looks like, and a cell; None for categories.

    Args:
        cells: texts, none of them empty.
    """
    different, enough = set(cells), _NEARLY_ALL * len(cells)
    if not cells or all(map(is_number, different)):
        return None
    if sum(map(is_number, cells)) >= enough:
        return "numbers and words", next(cell for cell in cells if not is_number(cell))
    if all(map(_DATES.fullmatch, different)):
        return "dates or times", cells[0]
    if _are_spelled_numbers(cells):
        written = next(cell for cell in cells if not is_number(cell))
        return "numbers with commas, signs or units", written
    if len(different) > max(_MOST_CATEGORIES, enough):
        return IDS, cells[0]
    return None


def _are_spelled_numbers(cells):
    """Whether all are numbers with separators, or between the same signs, such as $ and kg."""
    parts = [re.fullmatch(r"(\D*)(.*?)(\D*)", cell, re.DOTALL).groups() for cell in cells]
    middles = [middle for _, middle, _ in parts]
    around = {(before.strip(" -+"), after.strip()) for before, _, after in parts} - {("", "")}
    if len(around) > 1 or not all(map(_NUMBER.fullmatch, middles)):
        return False
    if any(map(_CODE.fullmatch, middles)):
        return False
    before, after = next(iter(around), ("", ""))
    if _WORDS.search(before) and all(map(str.isdigit, middles)):  # "class 5"
        return False
    return not _WORDS.search(before + after) or len(set(middles)) > _MOST_CATEGORIES


def misread_numbers(cells):
    """What else a column may be that is read as numbers, and a cell; None for nothing."""
    code = next(filter(_CODE.fullmatch, cells), None)
    if code is not None:
        return "codes", code
    values = np.array(cells, float)
    wrong = out_of_range(values)
    if wrong is not None:
        return f"they {wrong}", cells[0]
    return (NUMBERED, cells[0]) if are_ids(values) else None


def are_ids(values):
    """Whether numbers are whole, all different, and rise, fall, or have no gaps."""
    if len(values) < _FEWEST_IDS or (values % 1).any():
        return False
    steps, gaps = np.diff(values), np.diff(np.sort(values))
    return bool((steps > 0).all() or (steps < 0).all() or (gaps == 1).all())


def out_of_range(values):
    """What is wrong with numbers that a network computes in float32, or None.

    Args:
        values: an array of float64, finite.
    """
    if not len(values):
        return None
    if np.abs(values).max() > MOST:
        return f"lie beyond {MOST:g}, divide them"
    spread = values.std()
    if 0 < spread < LEAST:
        return f"differ by less than {LEAST:g}, multiply them"
    if np.abs(values - values.astype("float32")).max() > _LOST * spread > 0:
        return f"differ by too little for 32 bits, subtract {values.min():.10g} from each"
    return None
