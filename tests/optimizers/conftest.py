import contextlib

import keras
import pytest

from tests.distribution import conditions

CONDITION = conditions.current()
STRATEGY = conditions.strategy()


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "only_where(reason, **attributes): what the condition must be like"
    )


def pytest_collection_modifyitems(items):
    for item in items:
        for mark in item.iter_markers("only_where"):
            if any(getattr(CONDITION, name) != value for name, value in mark.kwargs.items()):
                item.add_marker(pytest.mark.skip(reason=mark.args[0]))


@pytest.fixture(autouse=True)
def condition(fresh_keras_state):
    """Each test runs in the scope of the strategy, under the policy."""
    keras.config.set_dtype_policy(CONDITION.policy)
    one = CONDITION.replicas == 1
    with contextlib.nullcontext() if one else STRATEGY.scope():
        yield
