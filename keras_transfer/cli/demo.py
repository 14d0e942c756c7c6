"""`keras-transfer demo`: the value of transfer, on images that come with scikit-learn.

A small network learns to read printed letters and digits in matplotlib's fonts, randomly
distorted. It never sees handwriting. Then it learns handwritten digits from ten labelled images
per digit: from scratch, on frozen features, and by fine-tuning.
"""

import itertools
import pathlib
import string
import time

import numpy as np

from keras_transfer import backbones, freezing, heads, models, plans, serving, training

_CHARACTERS = string.ascii_letters + string.digits
_FONTS = (
    "DejaVuSans",
    "DejaVuSerif",
    "STIXGeneral",
    "cmr10",
    "cmb10",
    "cmss10",
    "cmtt10",
    "cmti10",
)
_WIDTHS = (12, 16, 20, 26)  # of a character, in an image of 32 pixels
_CELLS = 3  # an image is distorted in 3x3 cells
_LABELLED = 10  # of each digit
# The learning rates were chosen, from two for each method, on the digits before this one.
_FIRST_DIGIT = 797
# An epoch is 15 passes over the labelled digits, of one step each.
_PASSES = 15


def run(options):
    """Trains, compares and exports, and calls the export on a few digits."""
    started = time.monotonic()

    def report(text):
        print(f"[{time.monotonic() - started:4.0f} s] {text}", flush=True)

    seeds, per_kind, epochs = (1, 30, 2) if options.quick else (5, 400, 8)
    printed, kinds = _print_characters(per_kind)
    report(f"Drew {len(printed):,} printed letters and digits, none of them handwritten.")
    source = _learn_print(printed, kinds, epochs)
    report(f"A network of {source.count_params():,} parameters has learned to read them.")
    digits, truth = _digits()
    accuracies = {way: [] for way in _plans(2)}
    for seed in range(seeds):
        labelled = _choose(truth, seed)
        test = np.setdiff1d(np.arange(len(truth)), labelled)
        for way, plan in _plans(2 if options.quick else 6).items():
            model = _learn_digits(way, plan, source, digits[labelled], truth[labelled], seed)
            guessed = np.argmax(model(digits[test], training=False), axis=1)
            accuracies[way].append(np.mean(guessed == truth[test]))
        found = ", ".join(f"{way} {values[-1]:.1%}" for way, values in accuracies.items())
        report(f"{len(labelled)} labelled digits, draw {seed + 1} of {seeds}: {found}")
    print(_table(accuracies, len(labelled), len(test)))
    version = serving.export(model, options.output, class_names=range(10))
    report(f"Exported the fine-tuned network to {version}. It reads these PNG files:")
    shown = test[:: len(test) // 8][:8]
    print("  label", *_ask(version, digits[shown]), sep="  ")
    print("  truth", *truth[shown], sep="  ")


def _print_characters(per_kind):
    """Images of printed characters, and the index of each in `_CHARACTERS`."""
    random = np.random.default_rng(0)
    fonts = _fonts()
    pictures = []
    for character in _CHARACTERS:
        drawn = [_draw(character, font, width) for font in fonts for width in _WIDTHS]
        for choice in random.integers(len(drawn), size=per_kind):
            pictures.append(_bend(drawn[choice], random))
    # As scikit-learn's digits: the ink in each block of 4x4 pixels.
    ink = np.reshape(pictures, (-1, 8, 4, 8, 4)).mean(axis=(2, 4))
    ink = np.clip(ink + random.normal(0, 8, ink.shape), 0, 255)
    kinds = np.repeat(np.arange(len(_CHARACTERS)), per_kind)
    return ink[..., np.newaxis].astype("float32"), kinds


def _fonts():
    """The fonts that come with matplotlib, without those of symbols."""
    import matplotlib
    from PIL import ImageFont

    folder = pathlib.Path(matplotlib.get_data_path(), "fonts", "ttf")
    files = [file for file in sorted(folder.glob("*.ttf")) if file.stem.startswith(_FONTS)]
    return [ImageFont.truetype(file, 80) for file in files if "Display" not in file.stem]


def _draw(character, font, width):
    from PIL import Image, ImageDraw

    page, picture = Image.new("L", (160, 160)), Image.new("L", (32, 32))
    ImageDraw.Draw(page).text((30, 30), character, 255, font, stroke_width=1)
    picture.paste(page.crop(page.getbbox()).resize((width, 31)), ((32 - width) // 2, 0))
    return picture


def _bend(picture, random):
    """Rotates, slants and scales an image, moves the corners of its cells, thickens strokes."""
    from PIL import Image, ImageFilter

    turn, slant = random.uniform(-0.25, 0.25), random.uniform(-0.3, 0.3)
    matrix = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    matrix = np.dot(matrix, [[1, 0], [slant, 1]]) * random.uniform(0.9, 1.15, 2)
    grid = np.linspace(-16, 16, _CELLS + 1)
    corners = np.stack(np.meshgrid(grid, grid), axis=-1) @ matrix + random.normal(16, 1, 2)
    corners += random.normal(0, 2.2, corners.shape)
    at = np.round(grid + 16).astype(int)
    mesh = []
    for row, column in itertools.product(range(_CELLS), repeat=2):
        box = (at[column], at[row], at[column + 1], at[row + 1])
        rows, columns = [row, row + 1, row + 1, row], [column, column, column + 1, column + 1]
        mesh.append((box, corners[rows, columns].ravel()))
    bent = picture.transform((32, 32), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    return np.asarray(bent.filter(ImageFilter.MaxFilter(3)) if random.random() < 0.35 else bent)


def _digits():
    from sklearn.datasets import load_digits

    found = load_digits()
    images = (found.images[_FIRST_DIGIT:, ..., np.newaxis] * 255 / 16).astype("uint8")
    return images, found.target[_FIRST_DIGIT:]


def _choose(truth, seed):
    """The indices of a few digits of each kind."""
    random = np.random.default_rng(seed)
    kinds = [np.flatnonzero(truth == digit) for digit in range(10)]
    return np.concatenate([random.choice(kind, _LABELLED, replace=False) for kind in kinds])


def _network():
    import keras

    images = keras.Input((8, 8, 1))
    x = keras.layers.Rescaling(1 / 128, -1)(images)
    for filters, strides in ((32, 1), (64, 2), (128, 1), (128, 2)):
        x = keras.layers.Conv2D(
            filters,
            3,
            strides,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
        )(x)
    return keras.Model(images, x, name="small")


def _learn_print(printed, kinds, epochs):
    """A network that classifies printed characters."""
    import keras

    keras.utils.set_random_seed(0)
    model = models.TransferModel(_network(), _head(len(_CHARACTERS)))
    plan = plans.Plan([plans.Phase(freezing.FreezeNone(), epochs, learning_rate=2e-3)])
    training.fine_tune(model, _batches(printed, kinds, 256), plan=plan, verbose=0)
    return model.backbone


def _head(num_classes):
    # In an image of 8x8 the position of a stroke matters: no average over the positions.
    return heads.SoftmaxHead(num_classes, pooling="flatten")


def _batches(images, labels, batch_size, passes=1):
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    return dataset.shuffle(len(images), seed=0).repeat(passes).batch(batch_size)


def _plans(epochs):
    """The three methods, with the same number of steps."""
    nothing, everything = freezing.FreezeAll(), freezing.FreezeNone()
    half = epochs // 2
    return {
        "from scratch": [plans.Phase(everything, epochs, 1e-3)],
        "frozen features": [plans.Phase(nothing, epochs, 3e-3)],
        "fine-tuned": [
            plans.Phase(nothing, half, 1e-2),
            plans.Phase(freezing.UnfreezeLast(2), epochs - half, 3e-4, layerwise_decay=0.7),
        ],
    }


def _learn_digits(way, phases, source, digits, truth, seed):
    import keras

    keras.utils.set_random_seed(seed)
    backbone = backbones.Backbone.from_model(_network())
    if way != "from scratch":
        backbone.set_weights(source.get_weights())
    model = models.TransferModel(backbone, _head(10))
    batches = _batches(digits, truth, len(digits), _PASSES)
    training.fine_tune(model, batches, plan=plans.Plan(phases), verbose=0)
    return model


def _table(accuracies, num_labelled, num_test):
    lines = [f"\naccuracy on {num_test} handwritten digits, {num_labelled} labelled ones seen:"]
    for way, values in accuracies.items():
        lines.append(f"  {way:<16} {np.mean(values):6.1%} +- {np.std(values):.1%}")
    return "\n".join([*lines, ""])


def _ask(version, digits):
    """The labels that an exported model predicts for PNG files."""
    import tensorflow as tf

    contents = tf.stack([tf.io.encode_png(digit) for digit in digits])
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    return [label.decode() for label in served(image_bytes=contents)["label"].numpy()]
