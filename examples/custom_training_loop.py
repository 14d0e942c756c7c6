"""A training loop of your own: `tf.GradientTape`, a rate for each stage, more unfrozen midway.

python examples/custom_training_loop.py DATA      (DATA holds a folder of pictures a class)
"""

import sys

import tensorflow as tf

from keras_transfer import data, freezing, heads, models, optimizers


def main(folder, backbone="MobileNetV2", image_size=224, epochs=6):
    splits = data.image_folder(folder, image_size)
    model = models.TransferModel(backbone, heads.SoftmaxHead(len(splits.class_names)))
    rates = optimizers.layerwise_decay(model, decay=0.7)
    model.compile(optimizer=optimizers.LearningRateMultiplier("adamw", rates))
    step, losses = make_step(model), []
    for epoch in range(epochs):
        if epoch == epochs // 2:
            model.freeze_policy = freezing.UnfreezeLast(2)
            # The optimizer is a new one with the old state, so the step is traced anew.
            # Assigning a policy does this by itself; after writing `trainable` on layers
            # of your own choice, this call is yours.
            model.follow_trainable_set()
            step = make_step(model)
        losses.append(mean(step(*batch) for batch in splits.train))
        print(
            f"epoch {epoch + 1}: loss {losses[-1]:.3f}, "
            f"{len(model.trainable_variables)} variables trained, "
            f"step {int(model.optimizer.iterations)}"
        )
    return model, losses


def make_step(model):
    """A training step in a graph, for what of the model is trained now."""
    optimizer, loss_function = model.optimizer, model.heads.loss()

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            loss = loss_function(labels, model(images, training=True))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return step


def mean(values):
    values = [float(value) for value in values]
    return sum(values) / len(values)


if __name__ == "__main__":
    main(sys.argv[1])
