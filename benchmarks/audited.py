"""The pictures and features that an audit is measured on."""

import contextlib
import os
import tempfile
import warnings

from benchmarks import library_models, picture_folders
from keras_transfer import data


@contextlib.contextmanager
def opened(data_set, image_size, limit=None):
    """A context with the `ImageSplits` of a data set, training pictures in order."""
    with picture_folders.opened(data_set, limit) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", data.DataWarning)
        yield data.image_folder(folder.path, image_size, validation_split=None, shuffle=False)


@contextlib.contextmanager
def cache():
    """A context with an empty `FeatureCache`."""
    with tempfile.TemporaryDirectory() as directory:
        yield library_models.feature_cache(os.path.join(directory, "features"))
