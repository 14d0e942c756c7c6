"""Where the TPU is."""

import importlib.util
import os
import pathlib

# Of a virtual machine that the TPU is attached to.
_DEVICES = ("/dev/accel0", "/dev/vfio/0")


def tpu_address(environment=os.environ, devices=_DEVICES):
    """What `TPUClusterResolver` takes for the TPU of this machine, or None.

    `TPU_NAME` names one, Kubernetes lets the resolver find it (""), and on a TPU's own machine
    it is "local". Nothing is asked over the network.
    """
    if environment.get("TPU_NAME"):
        return environment["TPU_NAME"]
    if environment.get("KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS"):
        return ""
    # Other things have devices of these names, but no use for the TPU's library.
    is_attached = any(pathlib.Path(device).exists() for device in devices)
    return "local" if is_attached and importlib.util.find_spec("libtpu") else None
