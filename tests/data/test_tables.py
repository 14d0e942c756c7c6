import gzip

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import data, features, freezing, heads, models, plans, training
from keras_transfer.backbones import Backbone
from keras_transfer.backbones.random_twins import random_twin

HEADER = ["age", "job", "city", "income"]


def rows(number=40):
    random = np.random.default_rng(0)
    for index in range(number):
        age = random.integers(20, 60)
        job = "cook" if age + random.normal() * 4 > 40 else "nurse"
        yield [
            age if index % 7 else "?",
            job,
            f" town {index % 3}",
            "high" if age > 40 else "low",
        ]


@pytest.fixture
def table(tmp_path):
    lines = [",".join(HEADER), *(",".join(map(str, row)) for row in rows())]
    (tmp_path / "people.csv").write_text("\n".join(lines))
    return tmp_path / "people.csv"


def test_columns_are_numbers_or_categories(table):
    splits = data.table(table, "income", batch_size=50)
    columns, labels = next(iter(splits.train_in_order))
    assert splits.class_names == ("high", "low") and labels.dtype == np.int32
    assert {name: one.dtype.name for name, one in columns.items()} == {
        "age": "float32", "job": "string", "city": "string"
    }  # fmt: skip
    assert columns["age"].shape == (32, 1) and np.isnan(columns["age"]).any()
    assert set(columns["city"].numpy().ravel()) == {b"town 0", b"town 1", b"town 2"}


def test_file_without_header_and_some_of_its_rows(tmp_path):
    text = "\n".join(", ".join(map(str, row)) for row in rows())
    path = tmp_path / "people.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    splits = data.table(
        path, "income", ["age"], header=HEADER, keep=lambda row: row["job"].strip() == "cook",
        validation_split=None,
    )  # fmt: skip
    assert list(splits.train.element_spec[0]) == ["age"]
    assert splits.num_images["train"] == sum(row[1] == "cook" for row in rows())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label": "wage"}, "has no column 'wage'"),
        ({"columns": ["age", "size"]}, r"has no columns \['size'\]"),
        ({"keep": lambda row: False}, "has no row to use"),
    ],
)
def test_wrong_columns_are_told(table, arguments, message):
    with pytest.raises(ValueError, match=message):
        data.table(table, **{"label": "income", **arguments})


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("age,age,income\n1,2,low\n3,4,high\n", {}, r"several columns of one name.*\['age'\]"),
        ("age,income\n1,low,7\n3,high\n", {}, "Row 2 of .* has more cells than the header"),
        ("age,income\n1,low\n3,high\n", {"columns": ["age", "income"]}, "no input.*'income'"),
        ("age,income\n1e300,low\n3,high\n", {}, "beyond 1e[+]18.*Received: '1e300'"),
        ("age,income\ninf,low\n3,high\n", {}, "beyond 1e[+]18.*Received: 'inf'"),
        ("age,income\n1,low\n3,high\n", {"fold": (0, 2)}, "too few for 2 folds"),
    ],
)
def test_tables_that_would_train_on_nonsense_are_told(tmp_path, content, arguments, message):
    (tmp_path / "people.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        data.table(tmp_path / "people.csv", "income", **arguments)


def test_the_numbers_of_rows_that_pandas_writes_are_no_column(tmp_path):
    lines = [f"{n},{n % 3},{'low' if n % 2 else 'high'}" for n in range(20)]
    (tmp_path / "people.csv").write_text("\n".join([",age,income", *lines]))
    splits = data.table(tmp_path / "people.csv", "income")
    assert list(splits.train.element_spec[0]) == ["age"]


@pytest.mark.parametrize("cell", [float, "job {}".format])
def test_one_column_is_enough(tmp_path, cell):
    lines = [f"{cell(n % 2)},{'low' if n % 2 else 'high'}" for n in range(40)]
    (tmp_path / "people.csv").write_text("\n".join(["age,income", *lines]))
    splits = data.table(tmp_path / "people.csv", "income")
    backbone = Backbone.from_table(splits.train, hidden_units=(4,))
    model = models.TransferModel(backbone, heads.SoftmaxHead(2))
    phases = [
        plans.Phase(freezing.FreezeAll(), 1, 1e-3, solver="exact"),
        plans.Phase(freezing.FreezeNone(), 1, 1e-3),
    ]
    training.fine_tune(
        model, splits.train, splits.validation, plans.Plan(phases), verbose=0,
        cache=features.FeatureCache(tmp_path / "cache"),
    )  # fmt: skip
    assert model.evaluate(splits.validation, verbose=0, return_dict=True)["accuracy"] == 1


def test_columns_may_have_any_name_of_an_input():
    columns = {"job title": np.array([["cook"], ["nurse"]]), "größe: #1": np.zeros((2, 1))}
    backbone = Backbone.from_table(columns, hidden_units=(2,))
    assert set(backbone.input_names) == set(columns)
    assert np.asarray(backbone(columns)).shape == (2, 2)


@pytest.fixture
def source(table):
    keras.utils.set_random_seed(0)
    splits = data.table(table, "income", batch_size=8)
    return splits, Backbone.from_table(splits.train, hidden_units=(8, 4))


def test_statistics_and_categories_are_those_of_the_training_rows(source):
    splits, backbone = source
    columns, _ = next(iter(splits.train_in_order.unbatch().batch(100)))
    ages = columns["age"].numpy()
    first = keras.Model(backbone.input, backbone.get_layer("standardized_numbers").output)
    found = np.asarray(first(columns))
    np.testing.assert_allclose(found[:, 0].std(), np.sqrt(1 - np.isnan(ages).mean()), rtol=1e-4)
    np.testing.assert_array_equal(found[:, 1], np.isnan(ages)[:, 0])
    assert (found[np.isnan(ages)[:, 0], 0] == 0).all()
    twin = random_twin(backbone)
    np.testing.assert_array_equal(
        twin.get_layer("standardized_numbers").mean, first.layers[-1].mean
    )
    assert [stage.boundary for stage in twin.stages] == ["hidden_1", "hidden_2"]


def test_network_on_a_table_is_trained_saved_and_a_backbone_for_another(source, tmp_path):
    splits, backbone = source
    model = models.TransferModel(backbone, heads.SoftmaxHead(2), freezing.FreezeNone())
    model.compile(keras.optimizers.AdamW(3e-2))
    model.fit(splits.train, epochs=30, verbose=0)
    assert model.evaluate(splits.train, verbose=0)[1] >= 0.9
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    odd = {
        "age": tf.constant([[np.nan], [30.0]]), "job": tf.constant([["smith"], ["cook"]]),
        "city": tf.constant([[""], ["town 1"]]),
    }  # fmt: skip
    np.testing.assert_array_equal(loaded(odd), model(odd))
    assert np.isfinite(np.asarray(model(odd))).all()
    other = models.TransferModel(loaded.backbone.copy(), heads.SoftmaxHead(2))
    exact = plans.Phase(freezing.FreezeAll(), 1, 1e-3, solver="exact")
    history = training.fine_tune(other, splits.train, plan=plans.Plan([exact], []), verbose=0)
    assert history.history["accuracy"][history.best_epoch] >= 0.9


def test_other_data_than_columns_are_told():
    with pytest.raises(ValueError, match="A table is a dataset of dicts"):
        Backbone.from_table(tf.data.Dataset.from_tensor_slices((np.zeros((4, 2)), [0] * 4)))


@pytest.mark.parametrize(
    ("label", "task", "expected"),
    [
        ("grade", None, ("numbers", ("grade",))),
        ("grade", "classes", ("classes", tuple(f"{n + 0.5}" for n in range(9)))),
        (["red", "dry"], None, ("labels", ("red", "dry"))),
    ],
)
def test_rows_have_classes_labels_or_numbers(tmp_path, label, task, expected):
    rows = [f"{n / 2},{n % 9 + 0.5},{n % 2},{n % 3 // 2}" for n in range(90)]
    (tmp_path / "wines.csv").write_text("\n".join(["age,grade,red,dry", *rows]))
    splits = data.table(tmp_path / "wines.csv", label, ["age"], task=task)
    names = tuple(sorted(expected[1])) if expected[0] == "classes" else expected[1]
    assert (splits.task, splits.class_names) == (expected[0], names)
    assert sum(splits.num_images.values()) == 90 and splits.num_images["validation"] in (18, 19)
    folded = data.table(tmp_path / "wines.csv", label, ["age"], task=task, fold=(0, 3))
    assert folded.num_images["test"] == pytest.approx(30, abs=2)
