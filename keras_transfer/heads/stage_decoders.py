"""From the stages of a backbone to features of one resolution."""

import keras

from keras_transfer.heads.upsampling import UpsampleTo


def fpn(features, width, name, stride):
    """Features at a stride: each stage is added to the one before it.

    Args:
        features: the images, and the output of each stage of a backbone.
        width: the number of channels.
        name: prefix of the names of the layers.
        stride: of the finest stage that is read, if the backbone has it.
    """
    stages = _from_stride(*stages_of(features), stride)
    found, x = [], None
    for level in range(len(stages) - 1, -1, -1):
        lateral = _pointwise(stages[level], width, f"{name}_lateral_{level}")
        if x is None:
            x = keras.layers.Add(name=f"{name}_context_add")(
                [lateral, _context(stages[level], width, f"{name}_context")]
            )
        else:
            x = UpsampleTo(name=f"{name}_up_{level}")(x, lateral)
            x = keras.layers.Add(name=f"{name}_add_{level}")([x, lateral])
        x = smoothed(x, width, f"{name}_smooth_{level}")
        found.append(x)
    finest = found[-1]
    same = [
        UpsampleTo(name=f"{name}_join_{level}")(one, finest)
        for level, one in enumerate(found[:-1])
    ]
    joined = keras.layers.Concatenate(name=f"{name}_join")([*same, finest]) if same else finest
    return smoothed(joined, width, f"{name}_last")


def unet(features, width, name):
    """Features at the resolution of the first stage; each stage is concatenated."""
    _, stages = stages_of(features)
    x = _pointwise(stages[-1], width, f"{name}_bottom")
    for level in range(len(stages) - 2, -1, -1):
        x = UpsampleTo(name=f"{name}_up_{level}")(x, stages[level])
        x = keras.layers.Concatenate(name=f"{name}_join_{level}")([x, stages[level]])
        x = smoothed(x, width, f"{name}_smooth_{level}")
    return x


def stages_of(features):
    """The images and the stages in the features of a head; `ValueError` for other stages."""
    images, *stages = features
    if any(len(stage.shape) != 4 for stage in stages):
        raise ValueError(
            "The head needs a backbone whose stages are images: a convolutional one. Received: "
            f"stages of shape {', '.join(str(tuple(stage.shape)) for stage in stages)}"
        )
    return images, stages


def _from_stride(images, stages, stride):
    """The stages from a stride on; of images of any size each stage is taken to halve it."""
    heights = [images.shape[1], *(stage.shape[1] for stage in stages)]
    if None in heights:
        strides = [2**number for number in range(1, len(stages) + 1)]
    else:
        strides = [round(heights[0] / height) for height in heights[1:]]
    kept = [stage for stage, own in zip(stages, strides, strict=True) if own >= stride]
    return kept or stages[-1:]


def _pointwise(x, width, name):
    x = keras.layers.Conv2D(width, 1, use_bias=False, name=name)(x)
    return _normalized(x, name)


def _normalized(x, name):
    # With the momentum of 0.99 that Keras takes, the statistics of a short training are still
    # those of the start. Replicas that are not synchronized would each have their own.
    normalize = keras.layers.BatchNormalization(
        momentum=0.9, synchronized=True, name=f"{name}_norm"
    )
    return normalize(x)


def _context(x, width, name):
    """The mean of the whole image, for each position."""
    x = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    return keras.layers.Conv2D(width, 1, name=name)(x)


def smoothed(x, width, name):
    """A convolution of neighbouring positions, normalized."""
    x = keras.layers.SeparableConv2D(
        width, 3, padding="same", use_bias=False, name=name
    )(x)  # fmt: skip
    x = _normalized(x, name)
    return keras.layers.ReLU(name=f"{name}_relu")(x)
