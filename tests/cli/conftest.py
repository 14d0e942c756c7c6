import keras
import pytest

from tests.networks import small_application


@pytest.fixture(scope="module", autouse=True)
def small_network():
    """The commands build a small network; the README is tested with the real one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, "MobileNetV2", small_application)
        yield
