import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_transfer import data
from keras_transfer.data.decoding import decode_and_resize


class _Tiny(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "first"}  # noqa: RUF012  (TFDS asks for a class attribute)
    SPLITS = {"train": 20, "test": 5}  # noqa: RUF012

    def _features(self):
        return {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=["ants", "bees"]),
        }

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(self._features())
        )

    def _split_generators(self, dl_manager):
        return {name: self._generate(name, count) for name, count in self.SPLITS.items()}

    def _generate(self, name, count):
        for index in range(count):
            seed = index + 1000 * len(name)
            image = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype="uint8")
            yield index, self._example(image, index)

    def _example(self, image, index):
        return {"image": image, "label": index % 2}

    def _generate_examples(self):
        raise NotImplementedError


class Photographs(_Tiny):
    SPLITS = {"train": 4}  # noqa: RUF012

    def _features(self):
        image = tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg")
        return {**super()._features(), "image": image}

    def _example(self, image, index):
        return super()._example(image.repeat(30, axis=0).repeat(30, axis=1), index)


class Divided(_Tiny):
    SPLITS = {"train": 6, "validation": 4, "test": 2}  # noqa: RUF012


class TestOnly(_Tiny):
    SPLITS = {"test": 4}  # noqa: RUF012
    __test__ = False


class Unlabeled(_Tiny):
    def _features(self):
        return {"image": tfds.features.Image(shape=(None, None, 3))}


class TwoImages(_Tiny):
    def _features(self):
        image = tfds.features.Image(shape=(None, None, 3))
        return {**super()._features(), "mask": image}


class Floats(_Tiny):
    def _features(self):
        image = tfds.features.Image(shape=(9, 11, 1), dtype=np.float32)
        return {**super()._features(), "image": image}


def images_of(dataset):
    return np.concatenate([images.numpy() for images, _ in dataset])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    builder = _Tiny(data_dir=tmp_path_factory.mktemp("tfds"))
    builder.download_and_prepare()
    return builder


def test_validation_is_carved_from_train(tiny):
    splits = data.from_tfds(tiny, (9, 11), batch_size=4)
    assert splits.class_names == ("ants", "bees")
    assert splits.num_images == {"train": 16, "validation": 4, "test": 5}
    assert splits.paths == {} and splits.warnings == ()
    images, labels = next(iter(splits.train))
    assert images.shape == (4, 9, 11, 3) and images.dtype == "float32"
    assert labels.shape == (4,) and labels.dtype == "int32"
    assert splits.train.map(lambda image, label: (image, label)).class_names == ("ants", "bees")
    assert int(splits.train.cardinality()) == 4


def test_images_are_those_of_the_dataset_and_labels_follow(tiny):
    splits = data.from_tfds(tiny, (9, 11))
    records = list(tiny.as_dataset(split="test").as_numpy_iterator())
    expected = np.stack([record["image"] for record in records])
    np.testing.assert_allclose(images_of(splits.test), expected, atol=1e-3)
    assert list(splits.labels["test"]) == [record["label"] for record in records]
    labels = np.concatenate([labels for _, labels in splits.train_in_order])
    assert list(labels) == list(splits.labels["train"])


@pytest.mark.parametrize("reduced", [True, False])
def test_large_jpegs_are_decoded_as_files_are(tmp_path, reduced):
    builder = Photographs(data_dir=tmp_path)
    splits = data.from_tfds(builder, 16, validation_split=None, reduced_decoding=reduced)
    decoders = {"image": tfds.decode.SkipDecoding()}
    records = builder.as_dataset(split="train", decoders=decoders).as_numpy_iterator()
    expected = [
        decode_and_resize(record["image"], 16, reduced_decoding=reduced) for record in records
    ]
    np.testing.assert_allclose(images_of(splits.train_in_order), expected, atol=1e-3)


def test_equal_seeds_give_equal_epochs(tiny):
    epochs = []
    for _ in range(2):
        train = data.from_tfds(tiny, 8, seed=5).train
        epochs.append([images_of(train) for _ in range(2)])
    np.testing.assert_array_equal(epochs[0], epochs[1])
    assert np.abs(epochs[0][0] - epochs[0][1]).max() > 1


def test_splits_are_named_in_the_language_of_tfds(tiny):
    splits = data.from_tfds(tiny, 8, splits={"train": "train[:50%]", "test": "train[50%:]"})
    assert splits.num_images == {"train": 10, "test": 10}
    assert splits.validation is None


def test_a_split_to_validate_on_is_taken_as_it_is(tmp_path):
    splits = data.from_tfds(Divided(data_dir=tmp_path), 8)
    assert splits.num_images == {"train": 6, "validation": 4, "test": 2}


def test_nothing_is_set_aside_on_request(tiny):
    splits = data.from_tfds(tiny, 8, validation_split=None)
    assert splits.num_images == {"train": 20, "test": 5}


def test_shared_images_warn(tiny):
    both = {"train": "train", "validation": "train[:5]"}
    with pytest.warns(data.DataWarning, match="Images of the validation split .*: 5,"):
        data.from_tfds(tiny, 8, splits=both)


def test_fingerprints_are_those_of_the_contents(tiny):
    first = data.from_tfds(tiny, 8).fingerprints
    assert data.from_tfds(tiny, 8).fingerprints == first
    assert data.from_tfds(tiny, 9).fingerprints["train"] != first["train"]
    whole = data.from_tfds(tiny, 8, reduced_decoding=False).fingerprints
    assert whole["train"] != first["train"]


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (Unlabeled, "must have one class label among its features"),
        (TwoImages, "must have one image among its features"),
        (Floats, "must be stored as uint8"),
    ],
)
def test_other_features_raise(tmp_path, builder, message):
    with pytest.raises(ValueError, match=message):
        data.from_tfds(builder(data_dir=tmp_path), 8)


def test_a_dataset_without_train_raises(tmp_path):
    with pytest.raises(ValueError, match=r"No training split: the dataset has \['test'\]"):
        data.from_tfds(TestOnly(data_dir=tmp_path), 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"splits": {"training": "train"}}, "`splits` must be a dict with keys among"),
        ({"splits": ["train"]}, "`splits` must be a dict with keys among"),
        ({"splits": {"test": "test"}}, "No training split"),
        ({"splits": {"train": "train", "test": "test[:0]"}}, "Cannot read the split"),
        ({"data_dir": "elsewhere"}, "A builder has its own data folder"),
        ({"image_size": 0}, "`image_size` must"),
        ({"batch_size": 0}, "`batch_size` must"),
        ({"seed": -1}, "`seed` must"),
        ({"validation_split": 2}, "`validation_split` must"),
        ({"color_mode": "rgba"}, "`color_mode` must"),
    ],
)
def test_bad_arguments_raise(tiny, arguments, message):
    with pytest.raises(ValueError, match=message):
        data.from_tfds(tiny, **{"image_size": 8, **arguments})


def test_other_things_than_builders_raise():
    with pytest.raises(ValueError, match="must be the name of a dataset"):
        data.from_tfds(7, 8)
