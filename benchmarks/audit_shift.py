"""How often a shift is told where there is none, and whether planted ones are told."""

import numpy as np
import tensorflow as tf
from PIL import Image

from benchmarks import audited, changed_pictures, child, library_models
from keras_transfer import auditing
from keras_transfer.auditing.audited_sets import features_in_order, image_statistics
from keras_transfer.features.pooled import pooled_features

_LEVEL = 0.05


def measure(row, data_set, network, image_size, splits, most, seed=0, limit=None):
    """Divides training pictures at random, and changes those of one half.

    As in an audit the features and the looks are tested at half the level each.
    """
    with audited.opened(data_set, image_size, limit) as opened, audited.cache() as cache:
        backbone = library_models.backbone(network, image_size)
        features = features_in_order(opened, "train", backbone, cache)
        looks = image_statistics(opened.train_in_order)
        random = np.random.default_rng(seed)
        alarms = 0
        for _ in range(splits):
            one, other = np.array_split(random.permutation(len(features)), 2)
            alarms += any(_alarms((features[one], looks[one]), (features[other], looks[other])))
        values = {"false_alarms": alarms, "random_splits": splits}
        one, other = np.array_split(random.permutation(len(features)), 2)
        one, other = one[:most], other[:most]
        for change in changed_pictures.SHIFTS:
            images = _images(opened.paths["train"], other, change, image_size, random)
            changed = tf.data.Dataset.from_tensor_slices(images).batch(32)
            second = (
                pooled_features(backbone, changed, cache).features,
                image_statistics(changed),
            )
            told = _alarms((features[one], looks[one]), second)
            values[f"found_{change.__name__}"] = int(any(told))
            values[f"features_{change.__name__}"] = int(told[0])
    return [{"row": row, "values": values}]


def _alarms(first, second):
    return [
        auditing.domain_shift(one, other, _LEVEL / 2).alarm
        for one, other in zip(first, second, strict=True)
    ]


def _images(paths, chosen, change, image_size, random):
    """Changed pictures as `image_folder` would read them."""
    size, resample = (image_size, image_size), Image.Resampling.BILINEAR
    changed = (change(changed_pictures.opened(paths[index]), random) for index in chosen)
    return np.stack([np.asarray(image.resize(size, resample), "float32") for image in changed])


if __name__ == "__main__":
    child.main(measure)
