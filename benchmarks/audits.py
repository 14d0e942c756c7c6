"""What an audit finds of what was planted, and what it reports where nothing was."""

import contextlib
import io
import tempfile
import time
import warnings

import numpy as np
import tensorflow as tf
from PIL import Image, ImageFilter, ImageOps

from benchmarks import images, networks
from keras_transfer import auditing, data, features
from keras_transfer.auditing.audited_sets import features_in_order, image_statistics
from keras_transfer.features.pooled import pooled_features

_LEVEL = 0.05


def resized(image, random):
    """At 40% to 80% of its size."""
    part = random.uniform(0.4, 0.8)
    return image.resize((round(part * image.width), round(part * image.height)))


def compressed(image, random):
    """As a JPEG of quality 30 to 50."""
    return _through_jpeg(image, int(random.integers(30, 51)))


def mirrored(image, random):
    """Left and right exchanged."""
    return ImageOps.mirror(image)


def cropped(image, random):
    """95% of width and height, from anywhere."""
    return _window(image, random.uniform(0, 0.05), random.uniform(0, 0.05), 0.95)


def cropped_around(image, random):
    """Without 5% at each side."""
    return _window(image, 0.05, 0.05, 0.9)


def brighter(image, random):
    """1.3 times as bright."""
    return image.point(lambda value: 1.3 * value)


def other_camera(image, random):
    """Blurred, noisy, of warmer colour, compressed."""
    blurred = image.filter(ImageFilter.GaussianBlur(image.width / 240))
    pixels = np.asarray(blurred, "float32") * (1.05, 1.0, 0.92)
    pixels += random.normal(0, 5, pixels.shape)
    return _through_jpeg(Image.fromarray(pixels.clip(0, 255).astype("uint8")), 75)


COPIES = (resized, compressed, mirrored, cropped, cropped_around)
SHIFTS = (brighter, other_camera)


def _window(image, left, top, part):
    edges = left, top, left + part, top + part
    sizes = image.width, image.height, image.width, image.height
    return image.crop([round(edge * size) for edge, size in zip(edges, sizes, strict=True)])


def _through_jpeg(image, quality):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def _image(path):
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


@contextlib.contextmanager
def _opened(data_set, image_size, limit):
    """A context with the `ImageSplits` of a data set, training images in order."""
    with images.opened(data_set, limit) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", data.DataWarning)
        yield data.image_folder(folder.path, image_size, validation_split=None, shuffle=False)


@contextlib.contextmanager
def _features(data_set, network, image_size, limit):
    """A context with the splits, the backbone and the features of the training images."""
    with (
        _opened(data_set, image_size, limit) as splits,
        tempfile.TemporaryDirectory() as directory,
    ):
        backbone = networks.backbone(network, image_size)
        cache = features.FeatureCache(directory)
        yield splits, backbone, features_in_order(splits, "train", backbone, cache)


def copies(row, data_set, image_size, planted, seed=0, limit=None):
    """Plants a copy of each kind of some images among all of a data set."""
    with _opened(data_set, image_size, limit) as splits:
        paths = [path for found in splits.paths.values() for path in found]
        started = time.perf_counter()
        before = auditing.near_duplicates(paths)
        seconds = time.perf_counter() - started
        random = np.random.default_rng(seed)
        sources = random.choice(len(paths), min(planted, len(paths)), replace=False).tolist()
        added = [
            np.asarray(change(_image(paths[source]), random))
            for change in COPIES
            for source in sources
        ]
        found = auditing.near_duplicates([*paths, *added])
    origin = [*range(len(paths)), *sources * len(COPIES)]
    values = recalls(found.pairs, origin, len(paths))
    right = sum(origin[pair.first] == origin[pair.second] for pair in found.pairs)
    values["precision"] = right / max(1, len(found.pairs))
    values |= {"pairs_before": len(before.pairs), "seconds": seconds, "images": len(paths)}
    return [{"row": row, "values": values}]


def recalls(pairs, origin, num_images):
    """The share of the copies of each kind that are paired with their source."""
    paired = {pair.second for pair in pairs if origin[pair.second] == pair.first}
    each = (len(origin) - num_images) // len(COPIES)
    starts = range(num_images, len(origin), each)
    return {
        f"recall_{change.__name__}": len(paired & {*range(start, start + each)}) / each
        for change, start in zip(COPIES, starts, strict=True)
    }


def label_errors(row, data_set, network, image_size, share, seed=0, limit=None):
    """Gives a share of the training images the label of another class, drawn at random.

    The data sets have errors of their own, which count as false alarms here.
    """
    with _features(data_set, network, image_size, limit) as (splits, _, found):
        labels, names = np.array(splits.labels["train"]), splits.class_names
    random = np.random.default_rng(seed)
    wrong = random.choice(len(labels), max(1, round(share * len(labels))), replace=False)
    labels[wrong] += random.integers(1, len(names), len(wrong))
    labels %= len(names)
    found = auditing.label_errors(found, labels, names)
    right = [error.index in set(wrong.tolist()) for error in found.errors]
    values = {
        "precision": float(np.mean(right)) if right else 0.0,
        "recall": sum(right) / len(wrong),
        "first": float(np.mean(right[: len(wrong)])) if right else 0.0,
        "probe_accuracy": float(np.mean(found.correct)),
    }
    return [{"row": row, "values": values}]


def shift(row, data_set, network, image_size, splits, most, seed=0, limit=None):
    """Divides training images at random `splits` times, and changes those of one half.

    As in an audit, content and appearance are tested at half the level each.
    """
    with _features(data_set, network, image_size, limit) as (opened, backbone, content):
        appearance = image_statistics(opened.train_in_order)
        random = np.random.default_rng(seed)

        def halves():
            return np.array_split(random.permutation(len(content)), 2)

        def alarms(rows, other_content, other_appearance):
            pairs = (content[rows], other_content), (appearance[rows], other_appearance)
            return [auditing.domain_shift(*pair, _LEVEL / 2).alarm for pair in pairs]

        values = {"false_alarms": 0, "random_splits": splits}
        for _ in range(splits):
            one, other = halves()
            values["false_alarms"] += any(alarms(one, content[other], appearance[other]))
        one, other = (half[:most] for half in halves())
        for change in SHIFTS:
            shown = [
                change(_image(opened.paths["train"][index]), random).resize(
                    (image_size, image_size), Image.Resampling.BILINEAR
                )
                for index in other
            ]
            changed = tf.data.Dataset.from_tensor_slices(
                np.stack([np.asarray(image, "float32") for image in shown])
            ).batch(32)
            second = pooled_features(backbone, changed).features
            found = alarms(one, second, image_statistics(changed))
            values[f"found_{change.__name__}"] = int(any(found))
            values[f"features_{change.__name__}"] = int(found[0])
    return [{"row": row, "values": values}]
