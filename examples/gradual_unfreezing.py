"""Unfreezes a network from the head down, in the middle of one `fit`.

Each stage learns at 0.7 times the rate of the one after it. The table of the stages, printed
before and after, shows what was trained and how fast.

    python examples/gradual_unfreezing.py DATA      (DATA holds a folder of pictures a class)
"""

import sys

from keras_transfer import callbacks, data, freezing, heads, models


def main(folder, backbone="MobileNetV2", image_size=224, epochs=6):
    splits = data.image_folder(folder, image_size)
    model = models.build(
        backbone,
        heads=heads.SoftmaxHead(len(splits.class_names)),
        freeze_policy=freezing.FreezeAll(),
        learning_rate=1e-3,
        layerwise_decay=0.7,
    )
    model.stage_summary()
    unfreeze = callbacks.GradualUnfreezing(
        {
            epochs // 3: freezing.UnfreezeLast(1),
            2 * epochs // 3: freezing.UnfreezeLast(2),
        }
    )
    history = model.fit(
        splits.train,
        validation_data=splits.validation,
        epochs=epochs,
        callbacks=[unfreeze],
        verbose=2,
    )
    model.stage_summary()
    return model, history


if __name__ == "__main__":
    main(sys.argv[1])
