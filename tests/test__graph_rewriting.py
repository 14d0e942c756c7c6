import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer._graph_rewriting import graphs_as_traced, graphs_rewritten
from keras_transfer.features import FeatureCache, engines
from keras_transfer.freezing import FreezeAll
from keras_transfer.plans import Phase, Plan
from keras_transfer.training import fine_tune
from tests.corpus.runs import small_model


def is_disabled():
    options = tf.config.optimizer.get_experimental_options()
    return options.get("disable_meta_optimizer", False)


@pytest.mark.optimized_graphs
def test_graphs_are_rewritten_inside_only_where_it_pays():
    with graphs_as_traced():
        assert is_disabled()
        with graphs_rewritten():
            assert not is_disabled()
        with graphs_as_traced(), graphs_rewritten():
            assert not is_disabled()
        assert is_disabled()
    assert not is_disabled()
    with graphs_rewritten():
        assert not is_disabled()


def test_what_the_user_has_set_stays():
    assert is_disabled()  # by the fixture of all tests
    with graphs_as_traced(), graphs_rewritten():
        assert is_disabled()
    assert is_disabled()


@pytest.mark.optimized_graphs
def test_a_gpu_needs_its_graphs_rewritten(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [kind])
    with graphs_as_traced():
        assert not is_disabled()


@pytest.mark.optimized_graphs
def test_training_runs_graphs_as_traced_and_constant_networks_rewritten(tmp_path, monkeypatch):
    seen = {}

    class Noting(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen["training"] = is_disabled()

    constant_function = engines.constant_function

    def noting(*arguments):
        function = constant_function(*arguments)

        def noted(batch):
            seen["features"] = is_disabled()
            return function(batch)

        return noted

    monkeypatch.setattr(engines, "constant_function", noting)
    data = np.zeros((3, 16, 16, 3), "float32"), np.arange(3)
    plan = Plan([Phase(FreezeAll(), 1, 1e-3)])
    cache = FeatureCache(tmp_path, engine="tensorflow")
    fine_tune(small_model(), data, plan=plan, callbacks=[Noting()], cache=cache, verbose=0)
    assert seen == {"training": True, "features": False}
    assert not is_disabled()
