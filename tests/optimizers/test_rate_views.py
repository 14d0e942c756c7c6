import keras
import optimizer_cases as cases
import pytest

from keras_transfer.optimizers import rate_views


def test_view_shares_all_state_and_leaves_the_optimizer_untouched():
    trained = cases.variables("kernel", "bias")
    optimizer = keras.optimizers.Adam(0.5)
    optimizer.build(trained)
    attributes = set(vars(optimizer))
    view = rate_views.at_own_rates(optimizer, [0.5, 1.0])
    view.apply(cases.gradients(trained, steps=1)[0], trained)
    assert isinstance(view, keras.optimizers.Adam)
    assert type(optimizer) is keras.optimizers.Adam
    assert set(vars(optimizer)) == attributes
    assert int(optimizer.iterations) == 1
    view.beta_1 = 0.8
    assert optimizer.beta_1 == 0.8


def test_view_classes_are_made_once():
    trained = cases.variables("kernel")
    views = []
    for _ in range(2):
        optimizer = keras.optimizers.SGD()
        optimizer.build(trained)
        views.append(rate_views.at_own_rates(optimizer, [0.5]))
    assert type(views[0]) is type(views[1])


@pytest.mark.parametrize("name", ["_get_variable_index", "_apply_weight_decay"])
def test_undocumented_keras_methods_that_views_rely_on_exist(name):
    assert callable(getattr(keras.optimizers.Optimizer, name))
