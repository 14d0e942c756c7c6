"""How transferable is each stage? Yosinski et al., NeurIPS 2014, in minutes.

Letters are drawn in many places, sizes and colours, and divided into two tasks, A and B. For
each number n of stages, a network for B is made of the first n stages of a network that was
trained on A (AnB) or on B itself (BnB), and of random stages after them. The n stages stay
frozen, or are trained too (+).

python examples/transferability_by_layer.py transferability.png
"""

import sys

import keras
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_transfer import _figures as figures
from keras_transfer import backbones, freezing, heads, models

LETTERS = "ABCDEFGHJKLMNPQRSTUV"
SIZE = 32
NAMES = {
    "BnB": ("#4c72b0", "--"), "BnB+": ("#4c72b0", "-"),
    "AnB": ("#dd8452", "--"), "AnB+": ("#dd8452", "-"),
}  # fmt: skip


def draw_letters(letters, per_letter, seed):
    """Pictures of letters on noise, and which of the letters each shows."""
    random = np.random.default_rng(seed)
    labels = np.tile(np.arange(len(letters)), per_letter)
    return np.stack([draw(letters[label], random) for label in labels]), labels


def draw(letter, random):
    ground, ink = random.uniform(0, 255, (2, 3))
    ink = np.where(np.abs(ink - ground) < 60, 255 - ground, ink)
    picture = Image.new("RGB", (SIZE, SIZE), tuple(ground.astype(int)))
    font = ImageFont.load_default(int(random.integers(14, 25)))
    place = tuple(random.integers(2, 12, 2).tolist())
    ImageDraw.Draw(picture).text(place, letter, tuple(ink.astype(int)), font)
    picture = picture.rotate(random.uniform(-20, 20), fillcolor=tuple(ground.astype(int)))
    noise = random.normal(0, 20, (SIZE, SIZE, 3))
    return np.clip(np.asarray(picture) + noise, 0, 255).astype("float32")


def new_network(num_stages):
    """Convolutions that halve the resolution: a stage each."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1, name="scale")(inputs)
    for number in range(1, num_stages + 1):
        x = keras.layers.Conv2D(
            24 * number, 3, strides=2, padding="same", kernel_initializer="he_normal",
            activation="relu", name=f"conv{number}",
        )(x)  # fmt: skip
    return backbones.Backbone.from_model(keras.Model(inputs, x, name="letters"))


def train(backbone, pictures, labels, policy, epochs):
    model = models.TransferModel(backbone, heads.SoftmaxHead(int(labels.max()) + 1), policy)
    model.compile(keras.optimizers.Adam(2e-3))
    model.fit(pictures, labels, epochs=epochs, batch_size=64, verbose=0)
    return model


def transferred(source, num_copied):
    """A network of the first stages of another one, and of random ones."""
    backbone = new_network(len(source.stages))
    for stage in source.stages[:num_copied]:
        for name in stage.layers:
            backbone.get_layer(name).set_weights(source.get_layer(name).get_weights())
    return backbone


def measure(per_letter, num_stages, epochs, seed=0):
    """The accuracy on B of each way, for each number of stages: a dict of name to list."""
    keras.utils.set_random_seed(seed)
    half = len(LETTERS) // 2
    tasks = {"A": LETTERS[:half], "B": LETTERS[half:]}
    drawn = {name: draw_letters(letters, per_letter, seed) for name, letters in tasks.items()}
    test = draw_letters(tasks["B"], 60, seed + 1)
    sources = {
        name: train(new_network(num_stages), *data, freezing.FreezeNone(), epochs)
        for name, data in drawn.items()
    }
    base = sources["B"].evaluate(*test, verbose=0, return_dict=True)["accuracy"]
    print(f"B from scratch: {base:.1%}")
    found = {name: [base] for name in NAMES}
    for number in range(1, num_stages + 1):
        for name in NAMES:
            backbone = transferred(sources[name[0]].backbone, number)
            frozen = freezing.FreezeUpTo(backbone.stages[number - 1].boundary)
            policy = freezing.FreezeNone() if name.endswith("+") else frozen
            model = train(backbone, *drawn["B"], policy, epochs)
            accuracy = model.evaluate(*test, verbose=0, return_dict=True)["accuracy"]
            found[name].append(accuracy)
        print(f"{number} stages: " + ", ".join(f"{n} {a[-1]:.1%}" for n, a in found.items()))
    return found


def plot(found, path):
    figure, (panel,) = figures.new_figure(1, 1, (6, 4))
    for name, (colour, line) in NAMES.items():
        panel.plot(found[name], line, color=colour, marker="o", label=name)
    panel.set(xlabel="stages copied", ylabel="accuracy on task B")
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.yaxis.set_major_formatter("{x:.0%}")
    panel.legend(frameon=False, title="+: trained too")
    figures.save_figure(figure, path)


def main(path, per_letter=60, num_stages=4, epochs=25):
    found = measure(per_letter, num_stages, epochs)
    plot(found, path)
    return found


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "transferability.png")
