"""Runs on images, and on images with a row of a table."""

import os
import pathlib

import tensorflow as tf

from keras_transfer import _progress
from keras_transfer._applications import find_application
from keras_transfer.backbones import Backbone
from keras_transfer.data.columns import arrays_of
from keras_transfer.data.decoding import check_image_size, decode_image
from keras_transfer.data.image_files import read_images
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.image_tables import unlabelled_rows
from keras_transfer.data.labeled_dataset import IMAGE_BYTES, IMAGES
from keras_transfer.data.scanning import find_images
from keras_transfer.data.sources import is_table
from keras_transfer.heads import JoinedHead
from keras_transfer.models import TransferModel
from keras_transfer.runs.kind import OF_CSV, OF_FOLDERS, Kind, listed
from keras_transfer.runs.networks import build_backbone, build_preset
from keras_transfer.runs.references import references_of_row

_EXPORT_CANDIDATES = 12


class ImageKind(Kind):
    """Images."""

    name = "images"
    thing, word, taken = "image", "IMAGE", "images"
    wanted = "For images name a network of `keras.applications` (--backbone NAME)."
    is_augmented = True
    takes = OF_CSV | OF_FOLDERS | {
        "image_size", "weights", "alpha", "truncate_at", "augmentation", "show", "labels",
        "images", "inputs", "exclude", "value_range", "on_unreadable", "masks", "classes",
        "ignore_class", "boxes", "box_format", "target", "keep", "time_budget",
    }  # fmt: skip

    def ready_network(self, choice):
        if choice.is_onnx:
            raise ValueError(
                "An ONNX file does not say how its images are prepared: pass "
                "`Backbone.from_onnx(path, preprocessing)` in Python. "
                f"Received: backbone={choice.name!r}"
            )
        found = choice.transferred()
        if found is None and not choice.is_application:
            return build_preset(choice.name)
        return found

    def image_shape(self, data, choice, ready, image_size):
        if ready is not None:
            return tuple(ready.input_shape[1:3]), ready.input_shape[3]
        if isinstance(data, ImageSplits):
            inputs = data.train.element_spec[0]
            shape = (inputs[IMAGES] if isinstance(inputs, dict) else inputs).shape
            return tuple(shape[1:3]), shape[3]
        size = image_size or find_application(choice.name).default_size
        return check_image_size(size), 3

    def reading(self, backbone, channels=None, model=None):
        found = {"color_mode": "grayscale" if channels == 1 else "rgb"}
        if model is not None:
            found["reduced_decoding"] = model.reduced_decoding is not False
            found["value_range"] = model.value_range
        return found

    def network(self, choice, splits, shape):
        return build_backbone(choice.name, shape, choice.weights, choice.alpha)

    def export_examples(self, model, splits, number):
        places = _readable_by_server(splits, number)
        return places and [splits.paths[split][place] for split, place in places]

    def predict(self, run, given):
        dataset, paths, unreadable = self._read(run, [*_images_in(given)])
        return self._predicted(run, dataset, paths, unreadable)

    def _read(self, run, paths, rows=None):
        return read_images(
            paths, run.image_size, run.settings["channels"], rows=rows,
            reduced_decoding=run.model.reduced_decoding is not False,
            value_range=run.model.value_range,
        )  # fmt: skip

    def _predicted(self, run, dataset, paths, unreadable):
        outputs = run.task.nothing(run)
        if paths:
            with _progress.step("predicting", len(paths)) as advance:
                outputs = run.task.infer(run.model, dataset, advance)
        return run.task.predicted(paths, outputs, unreadable, run)

    def described(self, run):
        height, width = run.image_size
        return f"images of {height} x {width} pixels, {run.settings['channels']} channels"

    def mistakes(self, run, gallery):
        return gallery.section()

    def usage(self, run):
        sentence = (
            "The model takes images with values in [0, 255]: it contains its preprocessing, "
            "and no augmentation. The served model takes the bytes of JPEG, PNG, GIF and BMP "
            "files."
        )
        return sentence, "(n, height, width, 3) in [0, 255]"


class ImageRowKind(ImageKind):
    """Images, each with some columns of a CSV file."""

    name = "images and rows"
    word = "FILE.csv"
    takes = ImageKind.takes - {
        "metadata", "masks", "classes", "ignore_class", "boxes", "box_format", "target", "keep",
        "show", "time_budget",
    }  # fmt: skip

    def head(self, task, splits, dropout, choice):
        row = Backbone.from_table(splits.columns["train"], hidden_units=())
        return JoinedHead(row, super().head(task, splits, dropout, choice))

    def references(self, before, heads, splits, own, cache, choice):
        return references_of_row(TransferModel(before.network, heads), splits, own, cache)

    def export_examples(self, model, splits, number):
        places = _readable_by_server(splits, number)
        if not places:
            return None
        split = places[0][0]
        rows = [place for _, place in places]
        contents = [pathlib.Path(splits.paths[split][row]).read_bytes() for row in rows]
        columns = {name: values[rows] for name, values in splits.columns[split].items()}
        return {IMAGE_BYTES: contents, **columns}

    def predict(self, run, given):
        files = listed(given)
        if not files or not all(map(is_table, files)):
            raise ValueError(
                "The model takes columns beside each image: name a CSV file with the columns "
                f"{', '.join(map(repr, run.columns))} and the paths of the images. "
                f"Received: {files[:3]}"
            )
        found, missing = [], []
        for file in files:
            rows, others = unlabelled_rows(file, run.columns, run.settings.get("images"))
            found += rows
            missing += others
        cells = [row for _, row in found]
        dataset, paths, unreadable = self._read(
            run,
            [path for path, _ in found],
            lambda kept: arrays_of([cells[place] for place in kept], run.columns),
        )
        return self._predicted(run, dataset, paths, [*missing, *unreadable])

    def described(self, run):
        return f"{super().described(run)}, with {', '.join(run.columns)}"

    def usage(self, run):
        names = ", ".join(map(repr, (IMAGES, *run.columns)))
        sentence, _ = super().usage(run)
        return f"{sentence} The inputs are a dict.", f"a dict of {names}"


def _readable_by_server(splits, number):
    """The split and the place of a few images, if possible not from training, that TensorFlow
    can decode."""
    found = ((split, splits.paths.get(split)) for split in ("test", "validation", "train"))
    split, paths = next(((split, paths) for split, paths in found if paths), (None, ()))
    spread = range(0, len(paths), max(1, len(paths) // _EXPORT_CANDIDATES))
    return [(split, place) for place in spread if _is_readable_by_server(paths[place])][:number]


def _is_readable_by_server(path):
    try:
        decode_image(tf.io.read_file(os.fsencode(path)))
    except tf.errors.InvalidArgumentError:  # WebP, or a BMP with a palette
        return False
    return True


def _images_in(files):
    """The files, and in place of each folder the images in it."""
    for path in listed(files):
        if is_table(path):
            raise ValueError(
                "The model takes images: name their files, or the folder that holds them. "
                f"Received: '{os.fspath(path)}'"
            )
        if not os.path.isdir(path):
            yield path
            continue
        found = find_images(path)
        if not found:
            raise ValueError(f"There are no images in the folder '{path}'.")
        yield from found
