import gzip
import struct

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import features, freezing, heads
from keras_transfer.backbones import Backbone, read_vectors
from keras_transfer.models import TransferModel

WORDS = ["the", "good", "bad", "film"]
VECTORS = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def lines(header=False):
    rows = [" ".join([word, *map(str, row)]) for word, row in zip(WORDS, VECTORS, strict=True)]
    return "\n".join([*(["4 3"] if header else []), *rows]) + "\n"


# gensim opens a file without a header twice, and closes it once.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["glove.txt", "fasttext.vec", "glove.txt.gz", "google.bin"])
def test_formats_are_read(tmp_path, kind):
    path = tmp_path / kind
    if kind.endswith(".bin"):
        rows = zip(WORDS, VECTORS, strict=True)
        path.write_bytes(
            b"4 3\n" + b"".join(w.encode() + b" " + struct.pack("3f", *v) for w, v in rows)
        )
    elif kind.endswith(".gz"):
        path.write_bytes(gzip.compress(lines().encode()))
    else:
        path.write_text(lines(header=kind.endswith(".vec")))
    words, vectors = read_vectors(path)
    assert words == WORDS
    np.testing.assert_allclose(vectors, VECTORS, rtol=1e-6)
    assert len(read_vectors(path, most_words=2)[0]) == 2


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of gensim, as the next one
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_files_without_vectors_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        read_vectors(tmp_path / "none.txt")
    for text in ("this is no vector\nnor is this\n", "", "age,town\n1,x\n1,x\n"):
        (tmp_path / "text.txt").write_text(text)
        with pytest.raises(ValueError, match="holds no word vectors"):
            read_vectors(tmp_path / "text.txt")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_first_vector_of_a_word_counts(tmp_path):
    (tmp_path / "twice.txt").write_text(lines() + "the 1 2 3\ngood 4 5 6\n")
    words, vectors = read_vectors(tmp_path / "twice.txt")
    assert words == WORDS
    np.testing.assert_allclose(vectors, VECTORS, rtol=1e-6)


@pytest.fixture(scope="module")
def backbone():
    return Backbone.from_vectors(WORDS, VECTORS, sequence_length=5)


def test_texts_become_the_vectors_of_their_words(backbone):
    found = np.asarray(backbone(tf.constant(["A GOOD, film!"])))
    expected = np.stack([np.zeros(3), VECTORS[1], VECTORS[3], np.zeros(3), np.zeros(3)])
    np.testing.assert_allclose(found[0], expected)
    assert backbone.mask is not None and backbone.boundaries[-1] == "embedding"
    assert [stage.layers[-1] for stage in backbone.stages] == ["embedding"]


def test_mean_is_that_of_the_words_alone(backbone):
    model = TransferModel(backbone, heads.DenseHead(1))
    pooled = keras.Model(model.input, model.get_layer("head_pooling").output)
    found = np.asarray(pooled(tf.constant(["good film", "", "good film the the the the"])))
    np.testing.assert_allclose(found[0], VECTORS[[1, 3]].mean(0), rtol=1e-5)
    np.testing.assert_array_equal(found[1], np.zeros(3))
    np.testing.assert_allclose(found[2], VECTORS[[1, 3, 0, 0, 0]].mean(0), rtol=1e-5)


@pytest.mark.parametrize("head", [heads.SoftmaxHead(2), heads.TextConvHead(2, filters=4)])
def test_length_of_the_padding_changes_nothing(head):
    texts = tf.constant(["the good film", "bad", ""])
    found = []
    for length in (5, 10):
        keras.utils.set_random_seed(0)
        backbone = Backbone.from_vectors(WORDS, VECTORS, sequence_length=length)
        found.append(TransferModel(backbone, head).predict(texts, verbose=0))
    np.testing.assert_allclose(*found, atol=1e-6)


def test_model_on_words_trains_is_saved_and_cached(backbone, tmp_path):
    texts = np.array(["good film", "bad film", "the good", "the bad"] * 4)
    train = tf.data.Dataset.from_tensor_slices((texts, np.array([1, 0] * 8))).batch(4)
    model = TransferModel(backbone.copy(), heads.TextConvHead(2, filters=8, dropout=0.0))
    model.compile(keras.optimizers.AdamW(1e-2))
    cache = features.FeatureCache(tmp_path / "cache")
    cached = cache.extract(model, train)
    assert cached.names == ("head_words", "embedding_mask")
    model.fit(cached.as_inputs(), epochs=30, verbose=0)
    assert model.evaluate(train, verbose=0)[1] == 1.0
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    given = ["good", "bad", "a strange film"]
    for other in (loaded, model.copy()):
        np.testing.assert_array_equal(
            other.predict(given, verbose=0), model.predict(given, verbose=0)
        )
    model.freeze_policy = freezing.FreezeNone()
    model.fit(train, epochs=1, verbose=0)
    changed = np.asarray(model.get_layer("embedding").embeddings)
    assert (changed[0] == 0).all() and not np.allclose(changed[2:], VECTORS)


def test_other_words_are_other_features(tmp_path):
    """The vocabulary is part of the key of a cache."""
    texts = tf.data.Dataset.from_tensor_slices((np.array(["good", "bad"]), [0, 1])).batch(2)
    cache = features.FeatureCache(tmp_path)
    for words in (WORDS, WORDS[::-1]):
        cached = cache.extract(Backbone.from_vectors(words, VECTORS, 4), texts)
        assert cached.extraction.num_images == 2
        np.testing.assert_allclose(cached.arrays()[0][0, 0], VECTORS[words.index("good")])


@pytest.mark.parametrize(
    ("words", "vectors"),
    [(["a", "b"], np.zeros((3, 2))), (["a", "a"], np.zeros((2, 2))), (["a"], np.zeros(1))],
)
def test_words_without_a_vector_each_are_told(words, vectors):
    with pytest.raises(ValueError, match="a row for each"):
        Backbone.from_vectors(words, vectors)
