"""Images per second through the frozen part, and the time of a training step."""

import gc
import tempfile
import time

import keras
import numpy as np

from benchmarks import images, networks
from benchmarks.jobs import UnavailableError
from keras_transfer import data, features, freezing, optimizers

_NUM_CLASSES, _BATCH = 10, 32


def alternate(contestants, rounds):
    """Times each contestant once a round; each round starts with the next one.

    Whoever follows a heavy contestant finds the caches and the clock rate that it left behind.

    Args:
        contestants: a dict from a name to a function without arguments, which returns a dict
            with the `images` or `steps` it has done.
        rounds: the number of rounds.

    Returns:
        A list of rows with `row`, `round` and `values`, by contestant.
    """
    names, rows = list(contestants), []
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            gc.collect()
            started = time.perf_counter()
            done = contestants[name]()
            seconds = time.perf_counter() - started
            values = {"seconds": seconds, **done}
            if "images" in done:
                values["rate"] = done["images"] / seconds
            if "steps" in done:
                values["milliseconds"] = 1000 * seconds / done["steps"]
            rows.append({"row": name, "round": number, "values": values})
    return sorted(rows, key=lambda row: (names.index(row["row"]), row["round"]))


def extraction(network, image_size, num_images, rounds):
    """Times `FeatureCache.extract` into an empty cache beside `predict` of the frozen part.

    An extraction traces or converts and compiles the network each time; `predict` has traced
    its function before.
    """
    keras.utils.set_random_seed(0)
    model = networks.transfer_model(network, image_size, _NUM_CLASSES)
    stem = model.stem()
    with images.opened("clothing") as folder:
        splits = data.image_folder(folder.path, image_size, validation_split=None)
        dataset = splits.train_in_order.unbatch().take(num_images).batch(_BATCH)
        try:
            features.get_engine("openvino")
        except ImportError as error:
            raise UnavailableError(str(error)) from error
        contestants = {
            f"extract, {engine}": _extracting(model, dataset, engine)
            for engine in ("tensorflow", "openvino")
        }
        contestants["stem.predict, files"] = predicting(stem, dataset, num_images)
        return alternate(contestants, rounds)


def _extracting(model, dataset, engine):
    def run():
        with tempfile.TemporaryDirectory() as directory:
            cache = features.FeatureCache(directory, engine=engine)
            return {"images": cache.extract(model, dataset).num_images}

    return run


def predicting(model, shown, num_images=None):
    """A contestant that predicts, for `alternate`; its function is traced before."""

    def run():
        model.predict(shown, verbose=0)
        return {"images": num_images or len(shown)}

    model.predict(shown[:_BATCH] if num_images is None else shown.take(1), verbose=0)
    return run


def steps(network, image_size, steps, rounds):
    """Times steps of equal models, everything unfrozen but BatchNormalization.

    "AdamW again" is AdamW once more: the difference between the two is noise.
    """
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    batch = random.uniform(0, 255, (_BATCH, image_size, image_size, 3)).astype("float32")
    labels = random.integers(0, _NUM_CLASSES, _BATCH)
    contestants = {}
    for name in ("AdamW", "AdamW again", "LearningRateMultiplier(AdamW)"):
        model = networks.transfer_model(
            network, image_size, _NUM_CLASSES, freezing.FreezeNone()
        )
        optimizer = keras.optimizers.AdamW(1e-4)
        if name.startswith("LearningRateMultiplier"):
            multipliers = optimizers.layerwise_decay(model, decay=0.7)
            optimizer = optimizers.LearningRateMultiplier(optimizer, multipliers)
        model.compile(optimizer)

        def run(model=model):
            for _ in range(steps):
                model.train_on_batch(batch, labels)
            return {"steps": steps}

        run()  # traces the step
        contestants[name] = run
    return alternate(contestants, rounds)
