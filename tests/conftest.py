import gc
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:
    # There is a worker for each core: more threads would only wait for each other.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import keras
import pytest
import tensorflow as tf

DATA = pathlib.Path(
    os.environ.get("KERAS_TRANSFER_DATA", pathlib.Path(__file__).parents[2] / "shared" / "data")
)


def pytest_collection_finish():
    gc.set_threshold(20_000, 20, 20)


def start_anew():
    """The same seed and own layer names, whatever ran before in this process."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef):
    """A fixture of a module or of the session is made before the seed of the test."""
    if fixturedef.scope != "function":
        start_anew()


@pytest.fixture(scope="module", autouse=True)
def kept_objects():
    """What the modules before have left is not looked through again and again.

    TensorFlow makes millions of objects that stay: a collection of them all takes 20 seconds.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """The user's cache is neither read nor written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_TRANSFER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def fresh_keras_state(request):
    """Each test starts from the same seed, the same global policy and its own layer names.

    Grappler takes longer for a graph of a few steps than it saves: a seventh of all time here.
    Tests marked `optimized_graphs` run their graphs as users do.
    """
    is_optimized = request.node.get_closest_marker("optimized_graphs") is not None
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not is_optimized})
    start_anew()
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def real_data():
    """The folder with real pictures and ImageNet weights."""
    if not DATA.is_dir():
        pytest.skip(
            f"no real pictures at {DATA}; set KERAS_TRANSFER_DATA to a folder that has them"
        )
    return DATA
