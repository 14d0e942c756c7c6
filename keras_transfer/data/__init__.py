"""Images, texts and sounds in: folders, tables, TensorFlow Datasets; checked and split."""

from keras_transfer.data import augmentation
from keras_transfer.data.audio_folders import audio_folder
from keras_transfer.data.augmentation import Augmentation
from keras_transfer.data.box_sets import boxes
from keras_transfer.data.image_folders import image_folder
from keras_transfer.data.image_splits import DataWarning
from keras_transfer.data.image_tables import image_table
from keras_transfer.data.mask_folders import mask_folder
from keras_transfer.data.sheet import show
from keras_transfer.data.tables import table
from keras_transfer.data.text_folders import text_folder
from keras_transfer.data.text_tables import text_table
from keras_transfer.data.tfds import from_tfds
from keras_transfer.data.unlabelled_folders import unlabelled_folder

__all__ = [
    "Augmentation",
    "DataWarning",
    "audio_folder",
    "augmentation",
    "boxes",
    "from_tfds",
    "image_folder",
    "image_table",
    "mask_folder",
    "show",
    "table",
    "text_folder",
    "text_table",
    "unlabelled_folder",
]
