"""`keras-transfer` on logical devices: `python -m benchmarks.logical_devices 2 fit ...`."""

import sys

import tensorflow as tf

from keras_transfer.cli.main import main

if __name__ == "__main__":
    (device,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[1])
    tf.config.set_logical_device_configuration(device, parts)
    sys.exit(main(sys.argv[2:]))
