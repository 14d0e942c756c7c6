import keras
import pytest

from tests.networks import small_application
from tests.photographs import made_up


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    """A benchmark is run, not measured: a small network in the place of MobileNetV2."""
    monkeypatch.setattr(keras.applications, "MobileNetV2", small_application)


@pytest.fixture
def data_set(tmp_path, monkeypatch):
    """A data set of two classes and no split, which is found under the name "photos"."""
    for label, name in enumerate(("dark", "light")):
        for number in range(15):
            path = tmp_path / "photos" / name / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = made_up(100 * label + number)
            image.point(lambda value, label=label: value * (0.4 + 0.6 * label)).save(path)
    monkeypatch.setenv("KERAS_TRANSFER_DATA", str(tmp_path))
    return "photos"
