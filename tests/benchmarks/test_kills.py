import pytest

from benchmarks import kill_moments, kills
from benchmarks.kill_moments import Moment, Progress

MARKS = ("plan", "features", "epoch", "result", "features", "epoch", "result")
OUTPUT = """\
10 classes; pictures: 228 for train, 60 for validation.
228 pictures, 8 steps an epoch, 2 epochs in 2 phases:
  head: FreezeAll(batch_norm='frozen'), 1 epochs at 0.001, 12,810 parameters
Features at head_pooling: 228 images x 2 views, computed in 2.5 s (tensorflow).
Epoch 1/1
8/8 - 1s - 164ms/step - accuracy: 0.0789 - loss: 2.3027
Features at block_1_pad: 228 images x 2 views, read from the cache.
Epoch 2/2
8/8 - 9s - 1s/step - accuracy: 0.0614 - loss: 2.3027
validation: accuracy 10.0% of 60
"""


def history():
    """A run that comes to something new every second, from the tenth on."""
    shards = (0, 2, 2, 2, 5, 5, 5)
    return [
        Progress(0.0, (), 0),
        *(
            Progress(10.0 + number, MARKS[: number + 1], shards[number])
            for number in range(len(MARKS))
        ),
        Progress(30.0, MARKS, 5),
    ]


def test_marks_are_found_in_what_fit_prints():
    marks = map(kill_moments.mark_of, OUTPUT.splitlines())
    assert tuple(mark for mark in marks if mark) == MARKS


def test_what_comes_next_tells_what_a_run_was_doing():
    assert [kill_moments.part_after(MARKS, number) for number in range(8)] == [
        "start", "extraction", "training", "training", "extraction", "training", "training",
        "end",
    ]  # fmt: skip


def test_moments_lie_between_the_first_extraction_and_the_last_epoch():
    # From 10 s to 16 s: one in each of six seconds.
    found = kill_moments.draw(history(), 6, seed=0)
    assert [(moment.marks, moment.shards) for moment in found] == [
        (1, 0), (2, 2), (3, 2), (4, 2), (5, 5), (6, 5),
    ]  # fmt: skip
    assert all(0 <= moment.seconds < 1 for moment in found)
    assert found == kill_moments.draw(history(), 6, seed=0)
    assert found != kill_moments.draw(history(), 6, seed=1)


@pytest.mark.parametrize(
    ("marks", "shards", "near"), [(2, 3, True), (3, 9, True), (1, 3, False), (2, 2, False)]
)
def test_a_moment_is_near_when_marks_and_shards_are_there(marks, shards, near):
    assert Moment(2, 3, 0.5).is_near(Progress(1.0, MARKS[:marks], shards)) is near


def write(cache, **files):
    for name, text in files.items():
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_text(text)
    return cache


def test_caches_are_compared_byte_by_byte_without_locks_and_dates(tmp_path):
    same = {"key/view-000/00000.0.npy": "0", "key/entry.json": "{}"}
    ours = write(tmp_path / "a", **same, **{"key.lock": "", "key/used": "1", "key/a.npy": "1"})
    theirs = write(tmp_path / "b", **same, **{"key/used": "2", "key/a.npy": "2"})
    assert kills.compared(ours, theirs) == {
        "files": 3, "megabytes": 4 / 2**20, "differing": 1,
    }  # fmt: skip
    write(theirs, **{"key/view-000/.writing-left.npy": "half"})
    assert kills.compared(ours, theirs)["differing"] == 2
