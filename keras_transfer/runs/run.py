"""A run, opened from its folder."""

import functools
import math
import os
import pathlib
from collections.abc import Iterable, Sequence

import keras
import numpy as np

from keras_transfer import _progress, serving
from keras_transfer._records import check_archive
from keras_transfer._text import one_line, reason_of
from keras_transfer.backbones.weights import check_finite
from keras_transfer.calibration.conformal_thresholds import fit_conformal
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.models import TransferModel
from keras_transfer.plans import Plan
from keras_transfer.relations import Hierarchy, MistakeDistance, mistake_distance
from keras_transfer.runs.evaluated_data import read_to_evaluate
from keras_transfer.runs.folder import RunFolder, kind_of
from keras_transfer.runs.kind import Kind
from keras_transfer.runs.kinds import kind_named
from keras_transfer.runs.predicted_boxes import PredictedBoxes
from keras_transfer.runs.predicted_images import (
    PredictedImages,
    PredictedLabels,
    PredictedNumbers,
)
from keras_transfer.runs.predicted_masks import PredictedMasks
from keras_transfer.runs.predictions import Predictions, groups_of
from keras_transfer.runs.report_page import write_page
from keras_transfer.runs.task import Task
from keras_transfer.runs.tasks import task_of


class Run:
    """A run: the model, and everything that was recorded about its training.

    `runs.fit` and `keras-transfer fit` make one; `Run(path)` opens it. The folder may come from
    elsewhere: its files are checked, and no code in them runs.

    Args:
        path: the folder.

    Attributes:
        path: the folder, a `pathlib.Path`.
        settings: the contents of `run.json`: what the run was started with.
        class_names: a tuple of names of the classes, the labels or the numbers, in the order
            of the outputs.
        image_size: `(height, width)` in pixels; None without images.

    Raises:
        FileNotFoundError: if the folder holds no run, or one without a model.
        ValueError: if `run.json` is corrupt.

    Example:

    >>> plan = plans.Plan([plans.Phase(freezing.FreezeAll(), epochs=1, learning_rate=1e-2)])
    >>> run = runs.fit("photos", backbone=backbone, output="run", plan=plan, verbose=0)
    >>> run.class_names
    ('blue', 'green', 'red')
    >>> len(run.predict(["photos/test/red/0.png"]).labels)
    1
    >>> run.evaluate("photos")["images"]
    18
    """

    def __init__(self, path: str | os.PathLike):
        self._folder = RunFolder(path)
        self.path = self._folder.path
        self.settings = self._folder.description()
        self.class_names = tuple(self.settings["class_names"])
        size = self.settings["image_size"]
        self.image_size = None if size is None else tuple(size)

    @functools.cached_property
    def model(self) -> TransferModel:
        """The trained model, calibrated.

        Raises:
            ValueError: if the file is corrupt, or does not fit `run.json`.
        """
        path = self._folder.model_path
        try:
            with _progress.step("loading the model"):
                check_archive(path)
                model = keras.saving.load_model(path)
        except Exception as error:
            raise ValueError(f"'{path}' is corrupt ({reason_of(error)})") from error
        head = getattr(getattr(model, "heads", None), "task", None)
        if not isinstance(model, TransferModel) or not self.task.is_head(head):
            raise ValueError(
                f"'{path}' is not the model of a run: a `TransferModel` with one head, for "
                f"{self.task.nouns[1]}."
            )
        check_finite(model, f"'{path}'")
        outputs = model.heads.num_names if self.task.name == "boxes" else model.output_shape[-1]
        shapes = (model.backbone.inputs[0].shape[1:], outputs)
        described = shapes[0]
        if self.image_size is not None:
            described = (*self.image_size, self.settings["channels"])
        lacks = {*self.columns} - {one.name for one in model.inputs}
        if lacks or shapes != (described, len(self.class_names)):
            raise ValueError(
                f"'run.json' and 'model.keras' in '{self.path}' do not belong together: the "
                f"model takes {shapes[0]} and has {shapes[1]} outputs."
            )
        model.class_names = self.class_names
        return model

    @property
    def kind(self) -> Kind:
        """What the run is of: images, texts, rows of a table, sounds."""
        return kind_named(kind_of(self.settings))

    @property
    def columns(self) -> dict:
        """The columns that the model takes, and what they hold; empty without any."""
        return self.settings.get("columns") or {}

    @property
    def things(self) -> str:
        """What the run is of, in the plural: "images", "texts", "rows" or "sounds"."""
        return self.kind.things

    @property
    def described_inputs(self) -> str:
        """What the model takes, for pages."""
        return self.kind.described(self)

    @property
    def task(self) -> Task:
        """What the run predicts."""
        return task_of(self.settings.get("task", "classes"))

    @functools.cached_property
    def hierarchy(self) -> Hierarchy | None:
        """What the classes have to do with each other; None if `fit` was not told.

        Raises:
            ValueError: if `run.json` holds something else.
        """
        found = self.settings.get("class_hierarchy")
        if found is None:
            return None
        try:
            hierarchy = Hierarchy.from_json(found)
        except ValueError as error:
            raise ValueError(f"'{self.path}/run.json' is corrupt ({error}).") from error
        if hierarchy.class_names != self.class_names:
            raise ValueError(
                f"'{self.path}/run.json' is corrupt: its hierarchy has other classes."
            )
        return hierarchy

    def mistake_distance(
        self,
        outputs: np.ndarray,
        labels: np.ndarray,
        groups: Sequence | np.ndarray | None = None,
    ) -> MistakeDistance | None:
        """How far predictions are from the right class; None without a hierarchy.

        Args:
            outputs: probabilities of shape `(images, classes)`.
            labels: the true classes, integers of shape `(images,)`.
            groups: as in `relations.mistake_distance`. Defaults to None.
        """
        if self.hierarchy is None:
            return None
        return mistake_distance(outputs, labels, self.hierarchy, groups)

    @functools.cached_property
    def metrics(self) -> dict:
        """The measures of each split; times and epochs."""
        return self._folder.metrics(self.task.name)

    @functools.cached_property
    def history(self) -> dict:
        """A dict of column to its values, one per epoch, with the name of its `phase`."""
        return self._folder.history()

    @functools.cached_property
    def plan(self) -> Plan:
        """The plan that was followed."""
        plan = self._folder.plan()
        if plan is None:
            raise FileNotFoundError(f"'{self.path}' has no 'plan.json'.")
        return plan

    @functools.cached_property
    def predictions(self) -> dict:
        """The predictions for the validation and the test images: a dict of split to them."""
        return self._folder.predictions()

    @functools.cached_property
    def course(self) -> dict:
        """What happened to each stage, and where the time went; empty if not recorded."""
        return self._folder.course()

    @functools.cached_property
    def findings(self) -> dict:
        """What `audit`, `rank`, `probe`, `recommend` and `find-lr` wrote into the folder."""
        return self._folder.findings()

    @property
    def measured(self) -> str | None:
        """The split whose measures count: "test", else "validation", else None."""
        return next((name for name in ("test", "validation") if name in self.metrics), None)

    @property
    def answer_threshold(self) -> float | None:
        """The confidence above which at most 5% of the predictions are wrong.

        `calibration.fit_conformal` finds it on the validation or the test set. None if these
        images do not show one, or the run predicts labels or numbers.
        """
        found = self.predictions.get(self.measured) if self.task.name == "classes" else None
        if found is None:
            return None
        threshold = fit_conformal(found.outputs, found.labels).answer_threshold
        return None if threshold == math.inf else max(threshold, 0.0)

    @property
    def label_threshold(self) -> float:
        """The probability from which on a label is predicted.

        It has the highest macro F1 on the validation set. 0.5 without one.
        """
        found = self.metrics.get("threshold") if self._folder.is_finished else None
        return float(found) if isinstance(found, (int, float)) else 0.5

    @property
    def box_thresholds(self) -> list[float]:
        """The score of each class from which on a box counts.

        It has the lowest error of the count on the validation set. 0.3 without one.
        """
        found = self.metrics.get("thresholds", ()) if self._folder.is_finished else ()
        number = len(self.class_names)
        return list(found) if len(found) == number else [0.3] * number

    def predict(
        self, files: Iterable[str | os.PathLike] | str | os.PathLike
    ) -> PredictedImages | PredictedLabels | PredictedNumbers | PredictedMasks | PredictedBoxes:
        """Predicts the classes, the labels or the numbers of files, of texts or of rows.

        Args:
            files: paths of images, in any format that `image_folder` reads, and of folders,
                whose images are found in all their subfolders; or one path. For a run of
                sounds, the same for sounds; for one of texts, the texts, or paths of text
                files, of CSV files and of folders of `.txt` files: a single word that ends in
                `.txt` or `.csv` is a path, unless a space precedes it; for one of a table, or
                of images with columns beside them, CSV files with these columns.

        Returns:
            `PredictedImages`, or the same for other tasks: `PredictedLabels`,
            `PredictedNumbers`, `PredictedMasks`, `PredictedBoxes`; files that cannot be read
            are listed in it.
        """
        return self.kind.predict(self, files)

    def evaluate(
        self,
        data: str | os.PathLike | ImageSplits,
        batch_size: int = 32,
        on_unreadable: str = "raise",
        labels: str | os.PathLike | None = None,
        masks: str | os.PathLike | None = None,
        boxes: str | os.PathLike | None = None,
    ) -> dict:
        """Measures the model on labelled images.

        Args:
            data: a folder of class folders, a CSV file with the columns of the training, or an
                `ImageSplits`. Of several splits the test set counts, or else the
                validation set. Of the data that the run was trained on, the images that were
                not trained on count; without a test set it warns.
            batch_size: images in a batch. Defaults to 32.
            on_unreadable: as in `data.image_folder`.
            labels: the CSV file about a folder of images, as in `fit`. Defaults to None.
            masks: the folder of the masks, as in `fit`. Defaults to None: subfolders of the
                name that those of the training have.
            boxes: the file or folder with the boxes, as in `fit`. Defaults to None: where
                they lay in the data of the training.

        Returns:
            A dict: the number of `images`; for classes, `accuracy`, `accuracy_interval` (95%
            CI), `loss`, `confusion` (a row per true class) and `classes` (precision and recall
            of each), and with a hierarchy `hierarchy` (`relations.mistake_distance`); for
            labels, numbers and masks, what `calibration.per_label`,
            `calibration.per_number`, `calibration.per_pixel` and `calibration.per_box` measure.

        Raises:
            ValueError: if the data have classes, labels or numbers that the model does not
                know.
        """
        if isinstance(data, ImageSplits):
            splits = data
        else:
            splits = read_to_evaluate(
                self, data, batch_size, on_unreadable, labels, masks, boxes
            )
        split = next(name for name in ("test", "validation", "train") if name in splits.labels)
        dataset = splits.train_in_order if split == "train" else getattr(splits, split)
        true = self.task.aligned(splits, split, self.class_names)
        with _progress.step("evaluating the model"):
            outputs = self.task.predict(self.model, dataset)
        chosen = {"threshold": self.label_threshold, "thresholds": self.box_thresholds}
        found = Predictions(split, outputs, true, (), groups=groups_of(splits, split))
        measured = self.task.measured(found, self.class_names, self.model, chosen)
        distance = self.mistake_distance(outputs, true, found.groups)
        return measured if distance is None else {**measured, "hierarchy": distance.to_json()}

    @_progress.step("exporting the model")
    def export(self, path: str | os.PathLike | None = None) -> pathlib.Path:
        """Exports the model.

        Args:
            path: a folder, which gets the next version for TensorFlow Serving, or a file that
                ends in `.tflite`, `.onnx` or `.keras` (for Keras alone). Defaults to None, the
                folder `serving` of the run.

        Returns:
            The path of the version or of the file.

        Raises:
            ValueError: if the folder `serving` of the run is a link.
        """
        path = self._folder.serving if path is None else pathlib.Path(path)
        if path.suffix in (".tflite", ".onnx", ".keras"):
            return serving.export_file(self.model, path)
        return serving.export(self.model, path)

    @_progress.step("writing the page")
    def report(self, path: str | os.PathLike | None = None) -> pathlib.Path:
        """Writes a page about the run: one HTML file that loads nothing.

        Args:
            path: the file. Defaults to None, `report.html` in the folder of the run.

        Returns:
            The path of the page.

        Raises:
            FileNotFoundError: if the run has not finished.
            ValueError: if one of its files is corrupt.
        """
        return write_page(self, path)

    def summary(self) -> str:
        """The measures of each split, and those of each class, label or number, as text."""
        lines = [
            f"{split}: {self.task.line(self.metrics[split])}"
            for split in ("validation", "test")
            if split in self.metrics
        ]
        if self.measured is not None:
            table = self.task.table(self.metrics[self.measured], self.class_names)
            lines += ["", table]
        return "\n".join(lines)

    def __repr__(self):
        return f"Run({one_line(str(self.path))!r})"
