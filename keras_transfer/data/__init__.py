"""Pictures in: folders and TensorFlow Datasets, checked, split and augmented."""

from keras_transfer.data import augmentation
from keras_transfer.data.augmentation import Augmentation
from keras_transfer.data.data_warning import DataWarning
from keras_transfer.data.decoding import decode_image, resize
from keras_transfer.data.image_folders import image_folder
from keras_transfer.data.image_source import ImageSource
from keras_transfer.data.image_splits import ImageSplits
from keras_transfer.data.labeled_dataset import LabeledDataset
from keras_transfer.data.picture_files import read_pictures
from keras_transfer.data.reduced_decoding import decode_and_resize
from keras_transfer.data.tfds import from_tfds

__all__ = [
    "Augmentation",
    "DataWarning",
    "ImageSource",
    "ImageSplits",
    "LabeledDataset",
    "augmentation",
    "decode_and_resize",
    "decode_image",
    "from_tfds",
    "image_folder",
    "read_pictures",
    "resize",
]
