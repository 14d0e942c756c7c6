"""Ways to change a number that features depend on: the cache must not give the old features."""

import importlib.util
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.features import FeatureCache

IMAGES = np.random.default_rng(0).uniform(1, 255, (6, 4, 4, 3)).astype("float32")
LABELS = np.arange(6, dtype="int32") % 2
_NUMBERS = itertools.count()
_LAYER = """
import keras
{above}
class Custom({base}):
    {in_class}
    def __init__(self, **arguments):
        super().__init__(**arguments)
        {in_init}
    def call(self, images):
        {in_call}
        return images * {factor}
    def compute_output_shape(self, shape):
        return shape
part = Custom()
"""


def layer(factor, above="", base="keras.layers.Layer", in_class="pass", in_init="", in_call=""):
    """The source of a custom layer; `NUMBER` stands for the number that changes."""
    return _LAYER.format(
        factor=factor, above=above, base=base, in_class=in_class, in_init=in_init,
        in_call=in_call,
    )  # fmt: skip


def activation(source):
    return f"import keras\n{source}\npart = keras.layers.Activation(activation)\n"


_BASE = "class Base(keras.layers.Layer):\n    def scaled(self, x):\n        return x * NUMBER"
_RULE = "class Rule:\n    def __init__(self):\n        self.factor = NUMBER"
CODE = {
    "body of an activation": activation("def activation(x):\n    return x * NUMBER"),
    "lambda": activation("activation = lambda x: x * NUMBER\nactivation.__name__ = 'scaled'"),
    "default": activation("def activation(x, factor=NUMBER):\n    return x * factor"),
    "default by keyword": activation("def activation(x, *, factor=NUMBER):\n    return x * factor"),
    "global": activation("FACTOR = NUMBER\ndef activation(x):\n    return x * FACTOR"),
    "list": activation("F = [1, {'a': NUMBER}]\ndef activation(x):\n    return x * F[1]['a']"),
    "array": activation(
        "import numpy as np\nF = np.ones(5000, 'float32') * NUMBER\n"
        "def activation(x):\n    return x * F[2500]"
    ),
    "user's function": activation(
        "def scaled(x):\n    return x * NUMBER\ndef activation(x):\n    return scaled(x)"
    ),
    "function called by that": activation(
        "def factor():\n    return NUMBER\ndef scaled(x):\n    return x * factor()\n"
        "def activation(x):\n    return scaled(x)"
    ),
    "closure": activation(
        "def make(factor):\n    def activation(x):\n        return x * factor\n"
        "    return activation\nactivation = make(NUMBER)"
    ),
    "nested function": activation(
        "def activation(x):\n    def scaled():\n        return x * NUMBER\n    return scaled()"
    ),
    "comprehension": activation(
        "def activation(x):\n    return sum([x * f for f in (1, NUMBER)])"
    ),
    "partial": activation(
        "import functools\ndef scaled(x, factor):\n    return x * factor\n"
        "activation = functools.partial(scaled, factor=NUMBER)\nactivation.__name__ = 'scaled'"
    ),
    "decorated": activation(
        "import functools\ndef times(factor):\n    def decorate(f):\n"
        "        @functools.wraps(f)\n        def g(x):\n            return f(x) * factor\n"
        "        return g\n    return decorate\n"
        "@times(NUMBER)\ndef activation(x):\n    return x"
    ),
    "named after Keras": activation(
        "import functools\n@functools.wraps(keras.activations.relu)\n"
        "def activation(x):\n    return x * NUMBER"
    ),
    "tf.function": activation(
        "import tensorflow as tf\n@tf.function\ndef f(x):\n    return x * NUMBER\n"
        "def activation(x):\n    return f(x)"
    ),
    "callable object": activation(
        "class Scaled:\n    def __call__(self, x):\n        return x * NUMBER\nactivation = Scaled()"
    ),
    "attribute of a callable object": activation(
        f"{_RULE}\n    def __call__(self, x):\n        return x * self.factor\n"
        "    def get_config(self):\n        return {}\nactivation = Rule()"
    ),
    "method": activation(
        f"{_RULE}\n    def of(self, x):\n        return x * self.factor\nactivation = Rule().of"
    ),
    "function attribute": activation(
        "def activation(x):\n    return x * activation.factor\nactivation.factor = NUMBER"
    ),
    "enum": activation(
        "import enum\nclass F(enum.Enum):\n    A = NUMBER\n"
        "def activation(x):\n    return x * F.A.value"
    ),
    "exception": activation(
        "def activation(x):\n    try:\n        return x * {}['a']\n"
        "    except KeyError:\n        return x * NUMBER"
    ),
    "body of a layer": layer("NUMBER"),
    "base class": layer("1", _BASE, "Base", in_call="images = self.scaled(images)"),
    "base of the base": layer(
        "1", f"{_BASE}\nclass Middle(Base):\n    pass", "Middle",
        in_call="images = self.scaled(images)",
    ),
    "mixin": layer(
        "self.factor()", "class Mixin:\n    def factor(self):\n        return NUMBER",
        "Mixin, keras.layers.Layer",
    ),
    "class attribute": layer("self.factor", in_class="factor = NUMBER"),
    "attribute outside the config": layer("self.factor", in_init="self.factor = NUMBER"),
    "property": layer("self.factor", in_class="factor = property(lambda self: NUMBER)"),
    "static method": layer("self.factor()", in_class="factor = staticmethod(lambda: NUMBER)"),
    "class method": layer("self.factor()", in_class="factor = classmethod(lambda c: NUMBER)"),
    "object in an attribute": layer(
        "self.rule.factor", f"import types\n{_RULE}", in_init="self.rule = Rule()"
    ),
    "slots": layer(
        "self.rule.factor", _RULE.replace(":\n", ":\n    __slots__ = ('factor',)\n", 1),
        in_init="self.rule = Rule()",
    ),
    "dataclass": layer(
        "self.rule.factor",
        "import dataclasses\n@dataclasses.dataclass\nclass Rule:\n    factor: float = NUMBER",
        in_init="self.rule = Rule()",
    ),
    "class used by name": layer("Rule().factor", _RULE),
    "function in an attribute": layer("self.f()", in_init="self.f = lambda: NUMBER"),
    "variable outside the weights": layer(
        "F", "import tensorflow as tf\nF = tf.constant(NUMBER, 'float32')"
    ),
    "layer inside the layer": layer(
        "1", "class Inner(keras.layers.Layer):\n    def call(self, x):\n        return x * NUMBER",
        in_init="self.inner = Inner()", in_call="images = self.inner(images)",
    ),
    "wrapped layer": layer("NUMBER").replace("part = Custom()", "part = keras.Sequential([Custom()])"),
    "changed class of Keras": (
        "import keras\npart = keras.layers.ReLU()\npart.call = lambda x: x * NUMBER\n"
    ),
    "argument of an operation": (
        "import keras\ndef f(x):\n    return x * NUMBER\n"
        "def part(images):\n    return keras.ops.map(f, images)\n"
    ),
    "constant in the graph": "def part(images):\n    return images * NUMBER\n",
    "array in the graph": (
        "import numpy as np\ndef part(images):\n"
        "    factor = np.ones((4, 4, 3), 'float32')\n    factor[2, 2] = NUMBER\n"
        "    return images * factor\n"
    ),
    "other arithmetic": activation("def activation(x):\n    return x + 1 if NUMBER > 2 else x - 1"),
    # What these read is outside the code: nothing may be found again.
    "file": activation(
        "import pathlib\nPLACE = pathlib.Path(__file__).with_suffix('.txt')\n"
        "PLACE.write_text('NUMBER')\ndef activation(x):\n    return x * float(PLACE.read_text())"
    ),
    "environment": activation(
        "import os\nos.environ['STALE_FACTOR'] = 'NUMBER'\n"
        "def activation(x):\n    return x * float(os.environ['STALE_FACTOR'])"
    ),
    "generator": activation(
        "def factors():\n    yield NUMBER\n    yield 1\nF = factors()\n"
        "def activation(x):\n    return x * next(F)"
    ),
}  # fmt: skip
UNKNOWN = ("callable object", "file", "environment", "generator")


@pytest.fixture
def write(tmp_path):
    """Writes a module and imports it anew."""

    def written(source):
        number = next(_NUMBERS)
        # Another file each time, since Python keeps the bytecode of a file.
        path = tmp_path / f"{number}" / "custom_part.py"
        path.parent.mkdir()
        path.write_text(source)
        spec = importlib.util.spec_from_file_location("custom_part", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return written


def images_of(images=IMAGES, labels=LABELS):
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(2)


def network(part):
    inputs = keras.Input((4, 4, 3), name="images")
    return keras.Model(inputs, part(inputs), name="custom")


def rows(features):
    return np.asarray(features.arrays()[0])


def extracted(directory, model, dataset=None):
    cache = FeatureCache(directory, engine="tensorflow")
    return cache.extract(model, images_of() if dataset is None else dataset)


@pytest.mark.parametrize("name", CODE)
def test_changed_code_is_recomputed(name, write, tmp_path):
    def model(number):
        keras.backend.clear_session()  # else Keras numbers the layers on
        return network(write(CODE[name].replace("NUMBER", number)).part)

    before = extracted(tmp_path / "cache", model("2.0"))
    again = extracted(tmp_path / "cache", model("2.0"))
    assert again.extraction.num_images == (6 if name in UNKNOWN else 0)
    after = extracted(tmp_path / "cache", model("3.0"))
    fresh = extracted(tmp_path / "fresh", model("3.0"))
    np.testing.assert_array_equal(rows(after), rows(fresh))
    assert not np.array_equal(rows(after), rows(before))
