"""The networks that are measured, and where their weights lie."""

import dataclasses

from benchmarks.picture_folders import data_folder


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of `keras.applications`.

    Attributes:
        application: its name there.
        arguments: what its function takes besides size and weights.
        weights_file: the name of the weights in the data's folder `weights`, or None for
            random ones.
    """

    application: str
    arguments: dict = dataclasses.field(default_factory=dict)
    weights_file: str | None = None

    @property
    def weights(self):
        """The path of the weights, or None for random ones."""
        if self.weights_file is None:
            return None
        return str(data_folder() / "weights" / self.weights_file)


NETWORKS = {
    "MobileNetV2": Network(
        "MobileNetV2",
        {"alpha": 0.35},
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
    ),
    "MobileNet": Network("MobileNet", {"alpha": 0.75}, "mobilenet_7_5_224_tf_no_top.h5"),
    "MobileNet-0.25": Network("MobileNet", {"alpha": 0.25}, "mobilenet_2_5_224_tf_no_top.h5"),
    "ResNet50": Network("ResNet50"),
    # Where only the amount of work matters, so that nothing has to be found on the disk.
    "MobileNetV2-random": Network("MobileNetV2", {"alpha": 0.35}),
    "MobileNetV2-1.0": Network("MobileNetV2"),
    "EfficientNetV2S": Network("EfficientNetV2S"),
}
