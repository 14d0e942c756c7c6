"""Several devices on one CPU."""

import tensorflow as tf
from tensorflow.python.distribute import collective_all_reduce_strategy


def divide_cpu(number):
    """Makes logical devices of the CPU; a worker of a cluster uses them as it would GPUs.

    Graphs run as they are: those of a few steps take longer to optimize than to run.
    """
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if number == 1:
        return
    cpu = tf.config.list_physical_devices("CPU")[0]
    one = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [one] * number)

    def local_devices(extended, resolver, worker):
        return tuple(f"{worker}/device:CPU:{index}" for index in range(number)), "CPU"

    # TensorFlow counts a worker's GPUs, and takes one CPU where there are none.
    extended = collective_all_reduce_strategy.CollectiveAllReduceExtended
    extended._initialize_local_devices = local_devices
