"""Images in: folders and TensorFlow Datasets, checked, split and augmented."""

from keras_transfer.data import augmentation
from keras_transfer.data.augmentation import Augmentation
from keras_transfer.data.decoding import decode_image
from keras_transfer.data.image_files import read_images
from keras_transfer.data.image_folders import image_folder
from keras_transfer.data.image_splits import DataWarning, ImageSplits
from keras_transfer.data.labeled_dataset import LabeledDataset
from keras_transfer.data.tfds import from_tfds

__all__ = [
    "Augmentation",
    "DataWarning",
    "ImageSplits",
    "LabeledDataset",
    "augmentation",
    "decode_image",
    "from_tfds",
    "image_folder",
    "read_images",
]
