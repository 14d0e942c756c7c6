"""What a trained network looks at: explanations of some pictures, and what excites channels.

RUN is the folder that `keras-transfer fit DATA --output RUN` wrote; DATA holds a folder of
pictures a class. The figures go to OUTPUT.

    python examples/explain.py RUN DATA OUTPUT
"""

import functools
import pathlib
import sys

import numpy as np

from keras_transfer import data, explanations, runs

METHODS = {
    "Grad-CAM": explanations.grad_cam,
    "Grad-CAM++": functools.partial(explanations.grad_cam, plus_plus=True),
    "integrated gradients": explanations.integrated_gradients,
    "occlusion": explanations.occlusion,
}


def main(run, folder, output, num_images=6, channels=(0, 1, 2, 3)):
    opened, output = runs.Run(run), pathlib.Path(output)
    model = opened.model
    splits = data.image_folder(folder, opened.image_size, validation_split=None)
    dataset = splits.validation or splits.train_in_order
    output.mkdir(parents=True, exist_ok=True)

    images = spread(dataset, num_images)
    maps = {name: method(model, images) for name, method in METHODS.items()}
    titles = captions(model.predict(images, verbose=0), opened.class_names)
    written = [output / "explanations.png"]
    explanations.plot_explanations(images, maps, titles).savefig(written[0])
    # The early and the late of what the network sees.
    for stage in model.backbone.stages[1:4:2]:
        exciting = explanations.most_exciting(model, dataset, stage.name, channels, 6)
        written.append(output / f"exciting_{stage.name}.png")
        explanations.plot_exciting(exciting).savefig(written[-1])

    print("how like Grad-CAM stays while the weights are shuffled, down to and including")
    forgotten = explanations.randomization_test(model, images, explanations.grad_cam)
    for name, correlations in forgotten.items():
        print(f"{name:<10} {correlations.mean():6.2f}")
    print("\n".join(map(str, written)))
    return written, maps, forgotten


def spread(dataset, num_images):
    """Pictures from all over a dataset, which comes class by class."""
    chosen = set(np.linspace(0, dataset.num_images - 1, num_images).astype(int))
    images = (image for image, _ in dataset.unbatch().as_numpy_iterator())
    return np.stack([image for number, image in enumerate(images) if number in chosen])


def captions(probabilities, class_names):
    best = probabilities.argmax(axis=1)
    return [
        f"{class_names[i]}\n{row[i]:.0%}" for i, row in zip(best, probabilities, strict=True)
    ]


if __name__ == "__main__":
    main(*sys.argv[1:4])
