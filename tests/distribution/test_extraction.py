import json

import numpy as np
import pytest

from tests.distribution import workers
from tests.distribution.extraction import NUM_IMAGES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("shared", "computed"),
    [
        (True, [32 + 32 + 22, 32 + 32]),  # every other shard each
        (False, [NUM_IMAGES, NUM_IMAGES]),
    ],
)
def test_workers_extract_a_part_each_and_all_get_everything(tmp_path, shared, computed):
    cache = str(tmp_path / "cache") if shared else "own"
    folders = workers.run("tests.distribution.extraction", tmp_path, 2, arguments=[cache])
    done = [json.loads((folder / "done.json").read_text()) for folder in folders]
    assert [worker["computed"] for worker in done] == computed
    assert all(worker["agree"] for worker in done)
    assert not any(worker["disagree"] for worker in done)
    for folder in folders:
        with np.load(folder / "arrays.npz") as arrays:
            np.testing.assert_allclose(arrays["rows"], arrays["expected"], rtol=1e-4, atol=1e-5)
            np.testing.assert_array_equal(arrays["labels"], np.arange(NUM_IMAGES) % 3)
    assert not list(tmp_path.rglob(".writing-*"))
