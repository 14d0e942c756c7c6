"""Pictures per second through the frozen part, in every way there is."""

import contextlib
import importlib.util
import tempfile

import keras
import numpy as np
import tensorflow as tf

from benchmarks import child, library_models, picture_folders, timing
from keras_transfer import data

if importlib.util.find_spec("openvino"):
    from benchmarks import openvino_inference

    _WITHOUT_OPENVINO = None
else:
    _WITHOUT_OPENVINO = child.UnavailableError("OpenVINO is not installed")

_CLASSES, _BATCH = 10, 32
# What the settings of the bare engine are chosen on.
_TRIAL = 128


def measure(network, image_size, num_pictures, rounds):
    """Times extraction, `predict` and the bare engines in turn.

    An extraction "with set-up" traces or converts and compiles the network each time; the
    others, `predict` and the bare engines were set up before.

    Args:
        network: a name in `networks.NETWORKS`.
        image_size: in pixels.
        num_pictures: how many pictures are read from files, and how many from memory.
        rounds: how often.
    """
    keras.utils.set_random_seed(0)
    model = library_models.transfer_model(network, image_size, _CLASSES)
    stem = model.stem()
    with _pictures(num_pictures, image_size) as dataset:
        images = np.concatenate([batch for batch, _ in dataset.as_numpy_iterator()])
        for few in (images[:_BATCH], dataset.take(1)):
            stem.predict(few, verbose=0)  # traces its function
        contestants = {
            **_extractions(model, stem, dataset),
            "reading the files alone": lambda: _read(dataset),
            "stem.predict, files": lambda: _predict(stem, dataset, num_pictures),
            "stem.predict, memory": lambda: _predict(stem, images, num_pictures),
            "tf.function, memory": _tensorflow(stem, images),
            "OpenVINO, memory": _WITHOUT_OPENVINO or _openvino(stem, images),
        }
        return timing.alternate(contestants, rounds)


@contextlib.contextmanager
def _pictures(number, image_size):
    """A data set of so many pictures of clothes, in the order of the files."""
    with picture_folders.opened("clothing") as folder, tempfile.TemporaryDirectory() as place:
        tree = picture_folders.sample(folder.splits["train"], number)
        picture_folders.link_tree(tree, place)
        splits = data.image_folder(place, image_size, validation_split=None)
        yield splits.train_in_order


def _extractions(model, stem, dataset):
    contestants = {}
    for engine in ("tensorflow", "openvino"):
        names = f"extract, {engine}", f"extract, {engine}, with set-up"
        if engine == "openvino" and _WITHOUT_OPENVINO:
            contestants |= dict.fromkeys(names, _WITHOUT_OPENVINO)
            continue
        for name, chosen in zip(
            names, (library_models.prepared_engine(engine, stem), engine), strict=True
        ):
            contestants[name] = _extraction(model, dataset, chosen)
    return contestants


def _extraction(model, dataset, engine):
    def run():
        with tempfile.TemporaryDirectory() as directory:
            cache = library_models.feature_cache(directory, engine=engine)
            return {"pictures": cache.extract(model, dataset).num_images}

    return run


def _read(dataset):
    return {"pictures": sum(len(images) for images, _ in dataset)}


def _predict(stem, pictures, num_pictures):
    batch_size = None if isinstance(pictures, tf.data.Dataset) else _BATCH
    stem.predict(pictures, batch_size=batch_size, verbose=0)
    return {"pictures": num_pictures}


def _tensorflow(stem, images):
    @tf.function(input_signature=[tf.TensorSpec((None, *images.shape[1:]))], autograph=False)
    def features(batch):
        return stem(batch, training=False)

    def run():
        for start in range(0, len(images), _BATCH):
            features(images[start : start + _BATCH]).numpy()
        return {"pictures": len(images)}

    features(images[:_BATCH])
    return run


def _openvino(stem, images):
    inference = openvino_inference.fastest(stem, images[:_TRIAL])

    def run():
        inference(images)
        return {"pictures": len(images), "batch_size": inference.batch_size}

    return run


if __name__ == "__main__":
    child.main(measure)
