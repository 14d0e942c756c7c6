"""The tests of `LearningRateMultiplier`, in each condition in which one trains."""

import contextlib
import io
import pathlib
from xml.etree import ElementTree

import pytest

from tests.distribution import workers
from tests.distribution.conditions import CONDITIONS

pytestmark = pytest.mark.exhaustive

_TESTS = "tests/optimizers/test_learning_rate_multiplier.py"
# To save time, the claims about every optimizer are tested for a few of them: decoupled decay,
# a counter beside `iterations`, a user's own.
_FEW = "not (unit_ or trains_as or after_a_reload) or AdamW or Nadam or SignDescent"
# Four devices differ from two in the number alone: the claims about the arithmetic of a step.
_FEWER = "(unit_ or trains_as or global_clipnorm or schedules) and not after_a_reload"
_SELECTED = {"four_devices": f"{_FEWER} and ({_FEW})"}
_NAMES = [name for name in CONDITIONS if name != "one_device"]
_ROOT = pathlib.Path(__file__).parents[2]


class Collected:
    """A plugin of pytest that keeps what was collected."""

    def pytest_collection_finish(self, session):
        self.items = session.items

    def skipped_in(self, condition):
        """The names of the tests that say that they make no sense in a condition."""
        return {
            item.name
            for item in self.items
            for mark in item.iter_markers("only_where")
            if any(getattr(condition, name) != value for name, value in mark.kwargs.items())
        }


def collect(selected):
    plugin = Collected()
    options = ["--collect-only", "-p", "no:xdist", "-p", "no:cacheprovider", "-k", selected]
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*options, str(_ROOT / _TESTS)], plugins=[plugin])
    return plugin


@pytest.mark.parametrize("name", _NAMES)
def test_learning_rate_multiplier_keeps_its_promises(name, tmp_path):
    selected = _SELECTED.get(name, _FEW)
    collected = collect(selected)
    assert len(collected.items) > 1
    condition = CONDITIONS[name]
    folders = workers.run(
        "tests.distribution.tests_in_condition",
        tmp_path,
        condition.workers,
        condition.devices,
        arguments=[name, "-k", selected, _TESTS],
    )
    for folder in folders:
        cases = list(ElementTree.parse(folder / "report.xml").iter("testcase"))
        names = sorted(case.get("name") for case in cases)
        assert names == sorted(item.name for item in collected.items)
        skipped = {case.get("name") for case in cases if case.find("skipped") is not None}
        assert skipped == collected.skipped_in(condition)
