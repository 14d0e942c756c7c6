"""One network, three tasks at once: a colour, a kind and a number.

The folders of DATA are named after both classes, such as `red_shirt` and `blue_dress`. The
third task, how bright the picture is, stands for any number that you want to predict.

    python examples/several_heads.py DATA
"""

import sys

import tensorflow as tf

from keras_transfer import data, freezing, heads, models, plans, training


def main(folder, backbone="MobileNetV2", image_size=224, epochs=5):
    splits = data.image_folder(folder, image_size)
    pairs = [name.split("_", 1) for name in splits.class_names]
    names = {
        "colour": sorted({colour for colour, _ in pairs}),
        "kind": sorted({kind for _, kind in pairs}),
    }
    colour_of = tf.constant([names["colour"].index(colour) for colour, _ in pairs])
    kind_of = tf.constant([names["kind"].index(kind) for _, kind in pairs])

    def label_all(images, labels):
        brightness = tf.reduce_mean(images, axis=[1, 2, 3])[:, tf.newaxis] / 255.0
        return images, {
            "colour": tf.gather(colour_of, labels),
            "kind": tf.gather(kind_of, labels),
            "brightness": brightness,
        }

    model = models.TransferModel(
        backbone,
        heads={
            "colour": heads.SoftmaxHead(len(names["colour"]), pooling="avgmax"),
            "kind": heads.SoftmaxHead(len(names["kind"]), hidden_units=(64,), dropout=0.2),
            "brightness": heads.DenseHead(1, loss_weight=0.5),
        },
    )
    plan = plans.Plan(
        [
            plans.Phase(freezing.FreezeAll(), epochs, 3e-3, name="heads"),
            plans.Phase(freezing.UnfreezeLast(1), epochs, 1e-3, name="last stage"),
        ]
    )
    train, validation = splits.train.map(label_all), splits.validation.map(label_all)
    training.fine_tune(model, train, validation, plan=plan, verbose=0)
    metrics = model.evaluate(validation, verbose=0, return_dict=True)
    for name, value in metrics.items():
        print(f"{name:<32} {value:.3f}")
    return model, metrics


if __name__ == "__main__":
    main(sys.argv[1])
