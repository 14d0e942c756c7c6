"""Four ways to use a pretrained network, side by side on your pictures.

Use it as it is, train a head, train the last stages, train everything. Prints the accuracy on
the validation pictures and how many parameters were trained for it.

    python examples/four_strategies.py DATA      (DATA holds a folder of pictures a class)
"""

import sys

import numpy as np

from keras_transfer import data, freezing, heads, models, plans, training

STRATEGIES = {
    "train the head": freezing.FreezeAll(),
    "train the last stages": freezing.UnfreezeLast(2),
    "train everything": freezing.FreezeNone(),
}


def main(folder, backbone="MobileNetV2", image_size=224, epochs=5):
    splits = data.image_folder(folder, image_size)
    rows = [("use it as it is", nearest_class_mean(splits, backbone), 0)]
    for name, policy in STRATEGIES.items():
        model = models.TransferModel(backbone, heads.SoftmaxHead(len(splits.class_names)))
        # The head is trained first in each: its first gradients would spoil the rest.
        phases = [plans.Phase(freezing.FreezeAll(), epochs, 1e-3, name="head")]
        if policy != freezing.FreezeAll():
            phases.append(plans.Phase(policy, epochs, 3e-4, layerwise_decay=0.7))
        training.fine_tune(model, splits.train, plan=plans.Plan(phases), verbose=0)
        accuracy = model.evaluate(splits.validation, verbose=0, return_dict=True)["accuracy"]
        rows.append((name, accuracy, sum(np.prod(w.shape) for w in model.trainable_weights)))
    for name, accuracy, parameters in rows:
        print(f"{name:<22} {accuracy:7.1%} {parameters:>12,} parameters trained")
    return rows


def nearest_class_mean(splits, backbone):
    """The accuracy without any training: the class whose mean features are the most alike."""
    model = models.TransferModel(backbone, heads.SoftmaxHead(len(splits.class_names)))

    def features(dataset):
        found = model.stem().predict(dataset, verbose=0)  # frozen, with the head's pooling
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    known, labels = features(splits.train_in_order), np.array(splits.labels["train"])
    means = [known[labels == label].mean(axis=0) for label in range(len(splits.class_names))]
    predicted = np.argmax(features(splits.validation) @ np.transpose(means), axis=1)
    return float(np.mean(predicted == np.array(splits.labels["validation"])))


if __name__ == "__main__":
    main(sys.argv[1])
