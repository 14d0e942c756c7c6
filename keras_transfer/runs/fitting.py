"""The main job: from a folder of images to a calibrated, measured and exported model."""

import contextlib
import inspect
import os
import re
import sys
import threading
import time
import types
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_transfer import distribution
from keras_transfer._figures import save_figure
from keras_transfer._preemption import Preemption
from keras_transfer._text import tell_unreadable
from keras_transfer.backbones import Backbone
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.sheet import show as show_images
from keras_transfer.distribution.workers import has_workers, is_chief
from keras_transfer.features import FeatureCache
from keras_transfer.plans import Plan
from keras_transfer.relations import Hierarchy
from keras_transfer.relations.hierarchies import read_hierarchy
from keras_transfer.runs.finishing import finish, finished_run
from keras_transfer.runs.folder import RunFolder
from keras_transfer.runs.job import augmented, built, domains_of, job_of, read_data
from keras_transfer.runs.output_folder import check_output
from keras_transfer.runs.run import Run
from keras_transfer.runs.run_course import BackboneBefore, PhaseClock
from keras_transfer.runs.run_settings import description_of
from keras_transfer.runs.tasks import task_of
from keras_transfer.training.fine_tuning import as_cache, fine_tune_in


# Where nothing watches more closely it ends at once: the same call does that part again.
@Preemption().watched()
def fit(
    data: str | os.PathLike | ImageSplits,
    backbone: str | Backbone = "MobileNetV2",
    output: str | os.PathLike = "run",
    *,
    image_size: int | tuple[int, int] | None = None,
    weights: str | os.PathLike | None = "imagenet",
    alpha: float | None = None,
    truncate_at: str | None = None,
    augmentation: str | None = "standard",
    balance: bool = False,
    batch_size: int | None = None,
    on_unreadable: str = "raise",
    labels: str | os.PathLike | None = None,
    images: str | None = None,
    targets: str | Sequence[str] | None = None,
    task: str | None = None,
    metadata: str | os.PathLike | None = None,
    group: str | None = None,
    exclude: str | os.PathLike | None = None,
    hierarchy: Hierarchy | str | os.PathLike | None = None,
    value_range: float | None = None,
    masks: str | os.PathLike | None = None,
    classes: Sequence[str] | dict | str | os.PathLike | None = None,
    ignore_class: int | None = None,
    boxes: str | os.PathLike | None = None,
    box_format: str | None = None,
    inputs: Sequence[str] | dict | None = None,
    text: str | None = None,
    sequence_length: int | None = None,
    vectors: str | os.PathLike | None = None,
    fold: tuple[int, int] | None = None,
    plan: Plan | str | os.PathLike | None = None,
    time_budget: float | None = None,
    unfreeze: int | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    cache: FeatureCache | bool | None = None,
    checkpoint_every: int | None = None,
    target: str | os.PathLike | None = None,
    keep: str | os.PathLike | None = None,
    seed: int = 0,
    deterministic: bool = False,
    jit_compile: bool | str = "auto",
    precision: str = "auto",
    strategy: str = "auto",
    show: bool = False,
    verbose: int | None = None,
) -> Run | None:
    """Trains a model on images, texts, a table or sounds, and writes all about it in a folder.

    Images have one class each, several labels, numbers, a mask or boxes: the model gets a
    `SoftmaxHead`, a `SigmoidHead`, a `DenseHead`, a `SegmentationHead` or a `CenterHead`. With
    `inputs`, columns of a CSV file go in beside each image. Texts and sounds have one class
    each; rows have a class, labels or numbers. `fit` does what `keras-transfer fit` does: it
    reads and checks the data, trains by a plan (`training.fine_tune`), calibrates probabilities
    by temperature scaling on the validation set, measures the model on the validation and the
    test set, exports it for TensorFlow Serving, and writes `report.html`. If it is killed, the
    same call resumes.

    Args:
        data: a folder with a subfolder of images for each class, or with the folders `train`,
            `validation` and `test`; or a CSV file, see `targets`; or a folder of images, see
            `labels`; or an `ImageSplits`, such as `data.from_tfds` returns, which holds
            `image_size` and `batch_size`. A folder may hold `.txt` files or sounds instead. A
            CSV file without a column of images or of texts is a table: its rows are the
            examples.
        backbone: the name of a network in `keras.applications`, or a `Backbone`, which holds
            `image_size`, `weights` and `alpha`; or the folder of an earlier run, or a `.keras`
            file. For texts a preset or a directory, for sounds an `.onnx` file; a table needs
            none. Defaults to "MobileNetV2".
        output: the run folder, new or of the same run. Defaults to "run".
        image_size: height and width in pixels, or `(height, width)`. Defaults to None, those of
            the network.
        weights: "imagenet", the path of a weights file, or None for random weights.
        alpha: the width of a MobileNet. Defaults to None, the network's default.
        truncate_at: the name of a boundary after which the layers of the backbone are left out.
        augmentation: "light", "standard" or "strong"; None or "none" for no augmentation.
        balance: whether each class has the same weight in the loss, whatever its size.
        batch_size: images in a batch. Defaults to None: 8 with masks or boxes, else 32.
        on_unreadable: "raise" for an error that lists unreadable images; "skip" leaves them
            out. As all up to `value_range`, it has no effect on an `ImageSplits`.
        labels: the CSV file about the files in the folder `data`, which needs no class
            folders. Defaults to None.
        images: as in `data.image_table`, for a CSV file; as the next two.
        targets: the column or the columns with the class, the labels or the numbers.
        task: "classes", "labels" or "numbers"; by default the cells decide.
        metadata: for class folders, of any kind of files, a CSV file with a column `path` and
            a column of groups.
        group: the name of that column, or of one in the CSV file with the labels. All images of
            a group, for example a patient, are on one side of the split. Defaults to None.
        exclude: the `audit.json` of an audit, whose label errors and copies are left out.
        hierarchy: what the classes have to do with each other, for the distance of mistakes:
            "wordnet", the path of a JSON file with an object from each name to the term above
            it, or a `relations.Hierarchy`. Defaults to None, unknown.
        value_range: as in `data.image_folder`.
        masks: for a class of each pixel, the folder of the masks, as in `data.mask_folder`; as
            the next two. Rare classes count more in the loss. Defaults to None.
        classes: the names of the classes, or their colours, or a file with these.
        ignore_class: the label of pixels without a class.
        boxes: for boxes around objects, a COCO JSON file about the images in the folder `data`,
            or the folder of the files of VOC or YOLO, `data` again or another one. Defaults to
            None.
        box_format: "voc", "coco" or "yolo", see `data.boxes`. Defaults to None: "coco" for a
            file, "voc" for a folder.
        inputs: the columns that go in beside the images, as in `data.image_table`; of a table,
            those that go in. Defaults to None: none beside images, all of a table.
        text: the column of a CSV file with the texts. Defaults to None: "text" or "sentence".
        sequence_length: of a text, in tokens. Defaults to None: that of the longest 1% of the
            training texts, at most 256.
        vectors: for texts, a file of word vectors in the place of a network, as in
            `backbones.read_vectors`. Defaults to None.
        fold: `(index, number)`: the images of one fold become the test set, see
            `cross_validate`. Defaults to None.
        plan: a `Plan`; the path of a `plan.json` or a `recommend.json`; "auto", which measures
            the images first; or None, which chooses by their number. As in `fine_tune`.
        time_budget: as in `fine_tune`.
        unfreeze: the number of last stages to train after the head; 0 trains the head alone.
            Defaults to None, as in the plan.
        epochs: the number of epochs of the last phase. Defaults to None, as in the plan.
        learning_rate: the highest learning rate of the last phase, for example the one that
            `training.find_learning_rate` finds. Defaults to None, as in the plan.
        cache: as in `fine_tune`.
        checkpoint_every: as in `fine_tune`.
        target: a folder of images, of any depth and without labels, from the domain where the
            model will be used; see `adaptation`. Defaults to None.
        keep: a folder of images of an earlier task that the backbone should not forget, with
            or without class folders; see `retention`. Defaults to None.
        seed: of all random numbers. Defaults to 0.
        deterministic: whether TensorFlow's operations give the same numbers in every run on
            the same machine, which is slower on GPUs. Defaults to False.
        jit_compile: True or False for XLA or not. Defaults to "auto": on a GPU, for phases of
            at least 10,000 steps.
        precision: of the training: "float32"; "mixed" for bfloat16 or float16 with float32
            weights; or "auto" (the default): mixed where the device is faster with it
            (`distribution.mixed_precision_policy`). The saved and exported model computes in
            float32. Has no effect on a given `Backbone`.
        strategy: a name that `distribution.get_strategy` takes. Defaults to "auto".
        show: whether `images.png` in the folder shows some training images, augmented and with
            their labels, before the training. Defaults to False.
        verbose: 0 is silent, 1 shows progress bars, 2 prints a line per epoch. Defaults to
            None: 1 in a terminal, else 2.

    Returns:
        The `Run`; None on workers other than the chief.

    Raises:
        FileExistsError: if `output` holds a finished run, or anything else.
        ValueError: if an image cannot be read, or an argument is wrong.
        Preempted: a `SystemExit` with code 75, if the process gets SIGTERM; the same call
            resumes.

    Example:

    >>> plan = plans.Plan([plans.Phase(freezing.FreezeAll(), epochs=1, learning_rate=1e-2)])
    >>> run = runs.fit("photos", backbone, output="run", plan=plan, verbose=0)
    >>> run.metrics["validation"]["images"]
    18
    """
    asked = types.SimpleNamespace(**locals())
    started = time.monotonic()
    # First: workers and a TPU are found before TensorFlow does anything else.
    placement = distribution.get_strategy(strategy)
    folder = RunFolder(output, writes=is_chief(placement))
    job = job_of(asked, _given(vars(asked)), placement)
    if folder.lacks_page(job.settings):  # it was killed there
        return finished_run(folder)
    folder.check_free(job.settings)
    check_output(output, None if isinstance(data, ImageSplits) else data)
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    splits = read_data(job)
    tree = None if hierarchy is None else read_hierarchy(hierarchy, (*splits.class_names,))
    feature_cache = as_cache(cache)
    domains = domains_of(job, splits)
    model, plan, changes = built(job, splits, folder, placement, feature_cache)
    if feature_cache is not None:
        feature_cache.folder.make()
    if verbose is None:
        # Progress bars are unreadable in a log file.
        verbose = 1 if sys.stdout.isatty() else 2
    verbose = verbose if folder.writes else 0
    if verbose:
        tell_unreadable(splits)
        if folder.is_unfinished(job.settings):
            print(f"Resuming the unfinished run in {folder.path}.")
    # Only now: a wrong argument should not leave an empty folder behind.
    with folder.begun(job.settings):
        folder.agree("classes", {"class names": list(splits.class_names)})
        if folder.writes:
            # Before the training, so that the model of an interrupted run can be used.
            folder.describe({**job.settings, **description_of(splits, data, labels, tree)})
        predicted = task_of(splits.task)
        if verbose:
            counts = ", ".join(f"{count} {name}" for name, count in splits.num_images.items())
            print(f"{predicted.counted(splits.class_names)}; {job.kind.things}: {counts}.")
        train = augmented(splits.train, job.augmentation, seed, predicted)
        domains = domains.augmented(lambda images: augmented(images, job.augmentation, seed))
        if show and folder.writes:
            _draw_sheet(train, folder.path / "images.png", verbose)
        threading.Thread(target=_import_what_follows, daemon=True).start()
        before, clock = BackboneBefore(model.backbone), PhaseClock()
        history = _train(
            folder, model, train, splits.validation, plan, [clock],
            splits.balanced_class_weight if balance else None, verbose, feature_cache,
            time_budget, checkpoint_every, target=domains.target, memory=domains.memory,
            **changes,
        )  # fmt: skip
        return finish(
            folder, model, history, splits, feature_cache, before, clock, started, domains,
            job.choice,
        )  # fmt: skip


def _given(arguments):
    """The names of the arguments of `fit` that are not their defaults."""
    defaults = inspect.signature(fit).parameters
    return {
        name
        for name, value in arguments.items()
        if value not in (None, "none") and value != defaults[name].default
    }


def _draw_sheet(train, path, verbose):
    save_figure(show_images(train), path)
    if verbose:
        print(f"Some training images: {path}")


def _import_what_follows():
    """Imports what the page needs, half a second, while TensorFlow leaves Python idle."""
    with contextlib.suppress(Exception):  # the page's own import says why
        import jinja2  # noqa: F401
        import matplotlib.backends.backend_agg
        import matplotlib.figure  # noqa: F401
        import scipy.special  # noqa: F401


def _train(folder, model, *arguments, **changes):
    try:
        return fine_tune_in(folder, model, *arguments, **changes)
    except tf.errors.OpError as error:
        strategy = model.distribute_strategy
        if not has_workers(strategy) or isinstance(error, tf.errors.ResourceExhaustedError):
            raise
        raise RuntimeError(_worker_failure(error, strategy)) from error


def _worker_failure(error, strategy):
    """The likely cause of a failed exchange with the other workers."""
    own = strategy.cluster_resolver.task_id
    named = {int(task) for task in re.findall(r"/task:(\d+)", error.message)} - {own}
    who = f"worker {min(named)}" if len(named) == 1 else "another worker"
    return (
        f"Worker {own} cannot continue without {who}, which has probably ended. Start all "
        "workers again with the same command: they resume from the last checkpoint. TensorFlow "
        f"says: {error.message.splitlines()[0]}"
    )
