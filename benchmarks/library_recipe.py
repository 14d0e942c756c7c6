"""`keras_transfer` with everything by default, on a data set."""

import dataclasses
import tempfile
import time

import keras
import numpy as np

from benchmarks import child, library_models, picture_folders
from keras_transfer import data, plans, training
from keras_transfer.plans.chooser import phases_of


def measure(
    row,
    data_set,
    network,
    image_size,
    seed,
    limit=None,
    epochs=None,
    time_budget=None,
    views=None,
    strategy=None,
):
    """Fine-tunes with a new cache; see `child.main` for what is returned.

    The clock starts before the pictures are read and stops when the model is trained.

    Args:
        row: what the row is called.
        data_set: see `picture_folders.opened`, as for `limit`.
        network: a name in `networks.NETWORKS`.
        image_size: in pixels.
        seed: for everything random.
        limit: the largest number of pictures a class. Defaults to None, all.
        epochs: the epochs of each phase. Defaults to None, those of the default plan.
        time_budget: in seconds. Defaults to None, none.
        views: draws of each picture that are cached for the last phase. Defaults to None, the
            plan's choice.
        strategy: one of `plans.recommendation.STRATEGIES`, or "auto" for what
            `plans.recommend` says. Defaults to None, the default plan.
    """
    with (
        picture_folders.opened(data_set, limit) as folder,
        tempfile.TemporaryDirectory() as directory,
    ):
        picture_folders.read_once(folder.path)
        keras.utils.set_random_seed(seed)
        started = time.perf_counter()
        splits = data.image_folder(folder.path, image_size=image_size)
        model = library_models.transfer_model(network, image_size, len(splits.class_names))
        history = training.fine_tune(
            model,
            data.augmentation.standard()(splits.train),
            splits.validation,
            plan=_strategy(strategy, model, splits)
            if strategy
            else _plan(model, splits, epochs, views),
            cache=library_models.feature_cache(directory),
            verbose=0,
            **({} if time_budget is None else {"time_budget": time_budget}),
        )
        values = {"seconds": time.perf_counter() - started}
        values |= _course(history) | accuracies(model, splits)
        recognised = hits(model, splits.validation)
    if time_budget is not None:
        values["time_budget"] = time_budget
    return [
        {
            "row": row,
            "values": values,
            "validation_accuracies": history.history["val_accuracy"],
            "validation_hits": recognised,
            "plan": history.plan.to_json(),
        }
    ]


def _plan(model, splits, epochs, views):
    """The default plan with some of its numbers replaced; None leaves all to the library."""
    if epochs is None and views is None:
        return None
    plan = plans.choose_plan(
        splits.num_images["train"], len(splits.class_names), len(model.backbone.stages)
    )
    names = {field.name for field in dataclasses.fields(plans.Phase)}
    if views is not None and "views" not in names:
        raise child.UnavailableError("this version's phases have no `views`")
    phases = list(plan.phases)
    if epochs is not None:
        phases = [dataclasses.replace(phase, epochs=epochs) for phase in phases]
    if views is not None:
        phases[-1] = dataclasses.replace(phases[-1], views=views)
    return dataclasses.replace(plan, phases=phases)


def _strategy(strategy, model, splits):
    """The plan of a strategy, with two of the last stages where some are trained."""
    if strategy == "auto":
        return strategy
    num_stages, num_images = len(model.backbone.stages), splits.num_images["train"]
    stages = num_stages if strategy == "train everything" else 2
    phases = phases_of(strategy, stages, num_stages, num_images)
    return plans.Plan(phases, from_scratch=strategy == "train from scratch")


def accuracies(model, splits):
    """The accuracies on the validation pictures and, where there are, on those to test on."""
    values = {"final_accuracy": _accuracy(model, splits.validation)}
    if splits.test is not None:
        values["test_accuracy"] = _accuracy(model, splits.test)
    return values


def _course(history):
    return {
        "last_accuracy": history.history["val_accuracy"][-1],
        "best_accuracy": max(history.history["val_accuracy"]),
        "best_epoch": history.best_epoch + 1,
        "epochs": len(history.epoch),
    }


def _accuracy(model, dataset):
    accuracy = model.evaluate(dataset, verbose=0, return_dict=True)["accuracy"]
    # Keras counts in float32: equal numbers of hits are to give equal accuracies.
    return round(accuracy, 6)


def hits(model, dataset):
    """A string with "1" for each picture that is recognised and "0" for each that is not."""
    found = []
    for images, labels in dataset:
        found.extend(model.predict_on_batch(images).argmax(axis=-1) == np.ravel(labels))
    return "".join("1" if hit else "0" for hit in found)


if __name__ == "__main__":
    child.main(measure)
