"""Pretrained networks, their stages and their boundaries."""

from keras_transfer._applications import Source, list_backbones
from keras_transfer.backbones.backbone import Backbone
from keras_transfer.backbones.graph import split
from keras_transfer.backbones.mel_spectrogram import MelSpectrogram
from keras_transfer.backbones.ported_weights import PortedWeights, port_weights
from keras_transfer.backbones.preprocessing import Preprocessing
from keras_transfer.backbones.word_vectors import read_vectors

__all__ = [
    "Backbone",
    "MelSpectrogram",
    "PortedWeights",
    "Preprocessing",
    "Source",
    "list_backbones",
    "port_weights",
    "read_vectors",
    "split",
]
