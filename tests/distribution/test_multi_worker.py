"""Training on several workers, as local processes."""

import json

import numpy as np
import pytest

from tests.conftest import DATA
from tests.distribution import workers

_MODULE = "tests.distribution.training"


def read(folder):
    with np.load(folder / "arrays.npz") as file:
        arrays = dict(file)
    return arrays, json.loads((folder / "logs.json").read_text())


def weights(arrays):
    beside = ("predicted", "expected", "labels")
    return {path: array for path, array in arrays.items() if path not in beside}


@pytest.fixture(scope="module")
def pictures():
    """Arguments of the training: the folder of real pictures, where it is there."""
    return [str(DATA / "hymenoptera")] if DATA.is_dir() else []


@pytest.fixture(scope="module")
def alone(tmp_path_factory, pictures):
    """What one process on one device ends with."""
    folder = tmp_path_factory.mktemp("alone")
    return read(*workers.run(_MODULE, folder, num_workers=1, arguments=pictures))


@pytest.mark.parametrize(
    ("num_workers", "devices"),
    [
        pytest.param(1, 2, marks=pytest.mark.exhaustive),
        pytest.param(2, 1, marks=pytest.mark.exhaustive),
        pytest.param(2, 2, marks=pytest.mark.slow),
    ],
)
def test_the_same_batches_end_in_the_same_weights(
    alone, pictures, tmp_path, num_workers, devices
):
    results = list(map(read, workers.run(_MODULE, tmp_path, num_workers, devices, pictures)))
    expected, expected_logs = alone
    for arrays, logs in results:
        assert logs["replicas"] == num_workers * devices
        assert logs["iterations"] == expected_logs["iterations"]
        for path, array in weights(expected).items():
            scale = np.abs(array).max()
            np.testing.assert_allclose(arrays[path], array, atol=1e-5 * scale, err_msg=path)
        np.testing.assert_allclose(arrays["predicted"], arrays["expected"], atol=1e-6)
        np.testing.assert_allclose(arrays["predicted"], expected["predicted"], atol=1e-5)

    # The logs are those of all replicas, and the same everywhere.
    for _, logs in results:
        assert logs["history"].keys() == expected_logs["history"].keys()
        for name, values in expected_logs["history"].items():
            np.testing.assert_allclose(logs["history"][name], values, rtol=1e-4, err_msg=name)
        for name, value in expected_logs["evaluated"].items():
            assert logs["evaluated"][name] == pytest.approx(value, rel=1e-4)

    # Workers are equal to the last bit.
    (first, _), *others = results
    for arrays, _ in others:
        for path, array in weights(first).items():
            np.testing.assert_array_equal(arrays[path], array, err_msg=path)
