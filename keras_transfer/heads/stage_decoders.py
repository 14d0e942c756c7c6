"""From the stages of a backbone to features of one resolution."""

import keras

from keras_transfer.heads.upsampling import UpsampleTo

# Finer stages cost the decoder more than all others together.
_FINEST = 4


def fpn(stages, width, name):
    """Features at a quarter of the resolution: each stage is added to the one before it."""
    stages = _from_quarter(stages)
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
        x = _smoothed(x, width, f"{name}_smooth_{level}")
        found.append(x)
    finest = found[-1]
    same = [
        UpsampleTo(name=f"{name}_join_{level}")(one, finest)
        for level, one in enumerate(found[:-1])
    ]
    joined = keras.layers.Concatenate(name=f"{name}_join")([*same, finest]) if same else finest
    return _smoothed(joined, width, f"{name}_last")


def unet(stages, width, name):
    """Features at the resolution of the first stage; each stage is concatenated."""
    x = _pointwise(stages[-1], width, f"{name}_bottom")
    for level in range(len(stages) - 2, -1, -1):
        x = UpsampleTo(name=f"{name}_up_{level}")(x, stages[level])
        x = keras.layers.Concatenate(name=f"{name}_join_{level}")([x, stages[level]])
        x = _smoothed(x, width, f"{name}_smooth_{level}")
    return x


def _from_quarter(stages):
    """The stages whose resolution is at most a quarter of the finest possible one."""
    heights = [stage.shape[1] for stage in stages]
    if len(stages) < 3 or None in heights:
        return stages[1:] if len(stages) > 3 else stages
    kept = [stage for stage in stages if stage.shape[1] * _FINEST // 2 <= heights[0] + 1]
    return kept if len(kept) > 1 else stages


def _pointwise(x, width, name):
    x = keras.layers.Conv2D(width, 1, use_bias=False, name=name)(x)
    return _normalized(x, name)


def _normalized(x, name):
    # With Keras' 0.99, the statistics of a short training are still those of the start.
    return keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)


def _context(x, width, name):
    """The mean of the whole image, for each position."""
    x = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    return keras.layers.Conv2D(width, 1, name=name)(x)


def _smoothed(x, width, name):
    x = keras.layers.SeparableConv2D(
        width, 3, padding="same", use_bias=False, name=name
    )(x)  # fmt: skip
    x = _normalized(x, name)
    return keras.layers.ReLU(name=f"{name}_relu")(x)
