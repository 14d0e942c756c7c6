"""The networks of `keras.applications`, in one table that needs no TensorFlow."""

import dataclasses
import difflib


@dataclasses.dataclass(frozen=True)
class Application:
    """One network of `keras.applications`.

    Attributes:
        name: the function in `keras.applications`.
        preprocessing: the convention of its `preprocess_input`: `"caffe"`, `"tf"`, `"torch"`,
            or `"none"` if the network contains its preprocessing.
        default_size: height and width in pixels of its ImageNet training.
        min_size: smallest height and width in pixels that it accepts.
        arguments: further arguments of its function, beside weights and shapes.
    """

    name: str
    preprocessing: str
    default_size: int
    min_size: int = 32
    arguments: tuple = ()

    @property
    def function(self):
        """The function of `keras.applications` that builds the network."""
        import keras

        return getattr(keras.applications, self.name)


_TABLE = (
    *(
        Application(f"ConvNeXt{size}", "none", 224)
        for size in ("Tiny", "Small", "Base", "Large", "XLarge")
    ),
    *(Application(f"DenseNet{depth}", "torch", 224) for depth in (121, 169, 201)),
    *(
        Application(f"EfficientNetB{number}", "none", size)
        for number, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600))
    ),
    *(
        Application(f"EfficientNetV2{variant}", "none", size)
        for variant, size in {
            "B0": 224, "B1": 240, "B2": 260, "B3": 300, "S": 384, "M": 480, "L": 480,
        }.items()
    ),
    Application("InceptionResNetV2", "tf", 299, 75),
    Application("InceptionV3", "tf", 299, 75),
    Application("MobileNet", "tf", 224, arguments=("alpha", "depth_multiplier")),
    Application("MobileNetV2", "tf", 224, arguments=("alpha",)),
    Application("MobileNetV3Large", "none", 224, arguments=("alpha", "minimalistic")),
    Application("MobileNetV3Small", "none", 224, arguments=("alpha", "minimalistic")),
    Application("NASNetLarge", "tf", 331),
    Application("NASNetMobile", "tf", 224),
    *(Application(f"ResNet{depth}", "caffe", 224) for depth in (50, 101, 152)),
    *(Application(f"ResNet{depth}V2", "tf", 224) for depth in (50, 101, 152)),
    Application("VGG16", "caffe", 224),
    Application("VGG19", "caffe", 224),
    Application("Xception", "tf", 299, 71),
)  # fmt: skip

APPLICATIONS = {application.name: application for application in _TABLE}


def list_backbones() -> list[str]:
    """The names that `Backbone` accepts, in alphabetical order.

    Returns:
        The names of the networks in `keras.applications`.

    Example:
        >>> backbones.list_backbones()[:2]
        ['ConvNeXtBase', 'ConvNeXtLarge']
    """
    return sorted(APPLICATIONS)


def find_application(name):
    """The `Application` of a name; the error names the closest ones."""
    if name in APPLICATIONS:
        return APPLICATIONS[name]
    raise ValueError(
        "`application` must be the name of a network of `keras.applications`. "
        f"{hint(name)}`backbones.list_backbones()` lists them all. "
        f"Received: application={name!r}"
    )


def hint(name):
    """The names that are similar to a wrong one, as a question; may be empty."""
    by_lower_case = {known.lower(): known for known in APPLICATIONS}
    close = difflib.get_close_matches(str(name).lower(), by_lower_case, n=3)
    similar = " or ".join(repr(by_lower_case[match]) for match in close)
    return f"Did you mean {similar}? " if similar else ""
