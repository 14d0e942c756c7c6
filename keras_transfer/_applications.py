"""The networks of `keras.applications`, in one table that needs no TensorFlow."""

import dataclasses
import difflib

_IMAGENET: dict = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
# What the modes of `imagenet_utils.preprocess_input` compute: `(images * scale - mean) / std`.
CONVENTIONS: dict = {
    "none": {},
    "tf": {"scale": 1 / 127.5, "mean": 1.0},
    "caffe": {"mean": (103.939, 116.779, 123.68), "channel_order": "bgr"},
    "torch": {"scale": 1 / 255, **_IMAGENET},
}
_INSIDE: dict = {**CONVENTIONS, "128": {"scale": 1 / 128, "mean": 1.0}}


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the weights of a network come from, and which images they expect.

    `backbone.source` has it; it is saved with the backbone, and is in the report of a run.
    Values that nobody recorded are None.

    Args:
        origin: who or what the weights are from, such as `"keras.applications, ImageNet"`.
        licence: the licence of the weights, not that of the images of their training.
        size: `(height, width)` of these images, in pixels.
        crop: fraction of the height and the width that the center crop of the published
            evaluation keeps.
        interpolation: how these images were resized, such as `"bicubic"`.
        scale: factor of the pixels, in [0, 255]. Defaults to 1.
        mean: subtracted after that: a number, or one for each channel. Defaults to 0.
        std: divides the result, likewise. Defaults to 1.
        channel_order: `"rgb"` (the default) or `"bgr"`.

    Example:
        >>> backbone.source.channel_order
        'rgb'
    """

    origin: str | None = None
    licence: str | None = None
    size: tuple[int, int] | None = None
    crop: float | None = None
    interpolation: str | None = None
    scale: float = 1.0
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    channel_order: str = "rgb"

    def rows(self) -> list[tuple[str, str]]:
        """Name and value of what is known, as text."""
        found = dataclasses.asdict(self)
        return [(name, _shown(value)) for name, value in found.items() if value is not None]

    def to_json(self) -> dict:
        """The attributes as JSON values."""
        found = dataclasses.asdict(self)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
        }

    @classmethod
    def from_json(cls, values: dict | None) -> "Source":
        """The source that `to_json` describes."""
        lists: dict = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in (values or {}).items()
        }
        return cls(**lists)


def _shown(value):
    if isinstance(value, tuple):
        return ", ".join(f"{one:g}" for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


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
        licence: the licence under which its ImageNet weights were published, if that is known.
        inside: the convention that the network itself computes, if `preprocessing` is `"none"`.
    """

    name: str
    preprocessing: str
    default_size: int
    min_size: int = 32
    arguments: tuple = ()
    licence: str | None = None
    inside: str = "none"

    @property
    def source(self) -> Source:
        """The source of its ImageNet weights."""
        is_inside = self.preprocessing == "none"
        convention = _INSIDE[self.inside if is_inside else self.preprocessing]
        return Source(
            origin="keras.applications, ImageNet",
            licence=self.licence,
            size=(self.default_size, self.default_size),
            **convention,
        )

    @property
    def function(self):
        """The function of `keras.applications` that builds the network."""
        import keras

        return getattr(keras.applications, self.name)


_APACHE, _MIT, _BSD, _CC_BY = "Apache-2.0", "MIT", "BSD-3-Clause", "CC BY 4.0"
_TABLE = (
    *(
        Application(f"ConvNeXt{size}", "none", 224, licence=_MIT, inside="torch")
        for size in ("Tiny", "Small", "Base", "Large", "XLarge")
    ),
    *(Application(f"DenseNet{depth}", "torch", 224, licence=_BSD) for depth in (121, 169, 201)),
    *(
        Application(f"EfficientNetB{number}", "none", size, licence=_APACHE, inside="torch")
        for number, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600))
    ),
    *(
        Application(
            f"EfficientNetV2{variant}",
            "none",
            size,
            licence=_APACHE,
            inside="torch" if variant.startswith("B") else "128",
        )
        for variant, size in {
            "B0": 224, "B1": 240, "B2": 260, "B3": 300, "S": 384, "M": 480, "L": 480,
        }.items()
    ),
    Application("InceptionResNetV2", "tf", 299, 75, licence=_APACHE),
    Application("InceptionV3", "tf", 299, 75, licence=_APACHE),
    Application("MobileNet", "tf", 224, 32, ("alpha", "depth_multiplier"), _APACHE),
    Application("MobileNetV2", "tf", 224, 32, ("alpha",), _APACHE),
    *(
        Application(
            f"MobileNetV3{size}", "none", 224, 32, ("alpha", "minimalistic"), _APACHE, "tf"
        )
        for size in ("Large", "Small")
    ),
    Application("NASNetLarge", "tf", 331, licence=_APACHE),
    Application("NASNetMobile", "tf", 224, licence=_APACHE),
    *(Application(f"ResNet{depth}", "caffe", 224, licence=_MIT) for depth in (50, 101, 152)),
    *(Application(f"ResNet{depth}V2", "tf", 224) for depth in (50, 101, 152)),
    Application("VGG16", "caffe", 224, licence=_CC_BY),
    Application("VGG19", "caffe", 224, licence=_CC_BY),
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
        f"`keras.applications` has no network of this name. {hint(name)}"
        f"`backbones.list_backbones()` lists them all. Received: {name!r}"
    )


def hint(name):
    """The names that are similar to a wrong one, as a question; may be empty."""
    by_lower_case = {known.lower(): known for known in APPLICATIONS}
    close = difflib.get_close_matches(str(name).lower(), by_lower_case, n=3)
    similar = " or ".join(repr(by_lower_case[match]) for match in close)
    return f"Did you mean {similar}? " if similar else ""
