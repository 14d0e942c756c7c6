"""Ways to change a number that features depend on: the cache must not give the old features."""

import copy
import gc
import importlib.util
import itertools
import mmap
import os
import weakref

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_transfer import data
from keras_transfer.data import scanning
from keras_transfer.features import FeatureCache, observed_source
from keras_transfer.features.state_digest import digest_of
from tests.corpus.values import few

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
    """The source of a custom layer; `NUM` stands for the number that changes."""
    return _LAYER.format(
        factor=factor, above=above, base=base, in_class=in_class, in_init=in_init,
        in_call=in_call,
    )  # fmt: skip


def activation(source):
    return f"import keras\n{source}\npart = keras.layers.Activation(activation)\n"


_BASE = "class Base(keras.layers.Layer):\n    def scaled(self, x):\n        return x * NUM"
_RULE = "class Rule:\n    def __init__(self):\n        self.factor = NUM"
CODE = {
    "body of an activation": activation("def activation(x):\n    return x * NUM"),
    "lambda": activation("activation = lambda x: x * NUM\nactivation.__name__ = 'scaled'"),
    "default": activation("def activation(x, factor=NUM):\n    return x * factor"),
    "default by keyword": activation("def activation(x, *, f=NUM):\n    return x * f"),
    "global": activation("FACTOR = NUM\ndef activation(x):\n    return x * FACTOR"),
    "list": activation("F = [1, {'a': NUM}]\ndef activation(x):\n    return x * F[1]['a']"),
    "array": activation(
        "import numpy as np\nF = np.ones(5000, 'float32') * NUM\n"
        "def activation(x):\n    return x * F[2500]"
    ),
    "user's function": activation(
        "def scaled(x):\n    return x * NUM\ndef activation(x):\n    return scaled(x)"
    ),
    "function called by that": activation(
        "def factor():\n    return NUM\ndef scaled(x):\n    return x * factor()\n"
        "def activation(x):\n    return scaled(x)"
    ),
    "closure": activation(
        "def make(factor):\n    def activation(x):\n        return x * factor\n"
        "    return activation\nactivation = make(NUM)"
    ),
    "nested function": activation(
        "def activation(x):\n    def scaled():\n        return x * NUM\n    return scaled()"
    ),
    "comprehension": activation(
        "def activation(x):\n    return sum([x * f for f in (1, NUM)])"
    ),
    "partial": activation(
        "import functools\ndef scaled(x, factor):\n    return x * factor\n"
        "activation = functools.partial(scaled, factor=NUM)\nactivation.__name__ = 'scaled'"
    ),
    "decorated": activation(
        "import functools\ndef times(factor):\n    def decorate(f):\n"
        "        @functools.wraps(f)\n        def g(x):\n            return f(x) * factor\n"
        "        return g\n    return decorate\n"
        "@times(NUM)\ndef activation(x):\n    return x"
    ),
    "named after Keras": activation(
        "import functools\n@functools.wraps(keras.activations.relu)\n"
        "def activation(x):\n    return x * NUM"
    ),
    "tf.function": activation(
        "import tensorflow as tf\n@tf.function\ndef f(x):\n    return x * NUM\n"
        "def activation(x):\n    return f(x)"
    ),
    "callable object": activation(
        "class Scaled:\n    def __call__(self, x):\n        return x * NUM\n"
        "activation = Scaled()"
    ),
    "attribute of a callable object": activation(
        f"{_RULE}\n    def __call__(self, x):\n        return x * self.factor\n"
        "    def get_config(self):\n        return {}\nactivation = Rule()"
    ),
    "method": activation(
        f"{_RULE}\n    def of(self, x):\n        return x * self.factor\nactivation = Rule().of"
    ),
    "function attribute": activation(
        "def activation(x):\n    return x * activation.factor\nactivation.factor = NUM"
    ),
    "enum": activation(
        "import enum\nclass F(enum.Enum):\n    A = NUM\n"
        "def activation(x):\n    return x * F.A.value"
    ),
    "exception": activation(
        "def activation(x):\n    try:\n        return x * {}['a']\n"
        "    except KeyError:\n        return x * NUM"
    ),
    "body of a layer": layer("NUM"),
    "base class": layer("1", _BASE, "Base", in_call="images = self.scaled(images)"),
    "base of the base": layer(
        "1", f"{_BASE}\nclass Middle(Base):\n    pass", "Middle",
        in_call="images = self.scaled(images)",
    ),
    "mixin": layer(
        "self.factor()", "class Mixin:\n    def factor(self):\n        return NUM",
        "Mixin, keras.layers.Layer",
    ),
    "class attribute": layer("self.factor", in_class="factor = NUM"),
    "attribute outside the config": layer("self.factor", in_init="self.factor = NUM"),
    "property": layer("self.factor", in_class="factor = property(lambda self: NUM)"),
    "static method": layer("self.factor()", in_class="factor = staticmethod(lambda: NUM)"),
    "class method": layer("self.factor()", in_class="factor = classmethod(lambda c: NUM)"),
    "object in an attribute": layer(
        "self.rule.factor", f"import types\n{_RULE}", in_init="self.rule = Rule()"
    ),
    "slots": layer(
        "self.rule.factor", _RULE.replace(":\n", ":\n    __slots__ = ('factor',)\n", 1),
        in_init="self.rule = Rule()",
    ),
    "dataclass": layer(
        "self.rule.factor",
        "import dataclasses\n@dataclasses.dataclass\nclass Rule:\n    factor: float = NUM",
        in_init="self.rule = Rule()",
    ),
    "class used by name": layer("Rule().factor", _RULE),
    "function in an attribute": layer("self.f()", in_init="self.f = lambda: NUM"),
    "variable outside the weights": layer(
        "F", "import tensorflow as tf\nF = tf.constant(NUM, 'float32')"
    ),
    "layer inside the layer": layer(
        "1", "class Inner(keras.layers.Layer):\n    def call(self, x):\n        return x * NUM",
        in_init="self.inner = Inner()", in_call="images = self.inner(images)",
    ),
    "wrapped layer": layer("NUM").replace("Custom()", "keras.Sequential([Custom()])"),
    "changed class of Keras": (
        "import keras\npart = keras.layers.ReLU()\npart.call = lambda x: x * NUM\n"
    ),
    "argument of an operation": (
        "import keras\ndef f(x):\n    return x * NUM\n"
        "def part(images):\n    return keras.ops.map(f, images)\n"
    ),
    "constant in the graph": "def part(images):\n    return images * NUM\n",
    "array in the graph": (
        "import numpy as np\ndef part(images):\n"
        "    factor = np.ones((4, 4, 3), 'float32')\n    factor[2, 2] = NUM\n"
        "    return images * factor\n"
    ),
    "other arithmetic": activation("def activation(x):\n    return x + 1 if NUM > 2 else x"),
    # What these read is outside the code: nothing may be found again.
    "file": activation(
        "import pathlib\nPLACE = pathlib.Path(__file__).with_suffix('.txt')\n"
        "PLACE.write_text('NUM')\n"
        "def activation(x):\n    return x * float(PLACE.read_text())"
    ),
    "environment": activation(
        "import os\nos.environ['STALE_FACTOR'] = 'NUM'\n"
        "def activation(x):\n    return x * float(os.environ['STALE_FACTOR'])"
    ),
    "generator": activation(
        "def factors():\n    yield NUM\n    yield 1\nF = factors()\n"
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
    return tf.nest.flatten(features.arrays())[0]


def extracted(directory, model, dataset=None):
    cache = FeatureCache(directory, engine="tensorflow")
    return cache.extract(model, images_of() if dataset is None else dataset)


@pytest.mark.parametrize("name", CODE)
def test_changed_code_is_recomputed(name, write, tmp_path):
    def model(number):
        keras.utils.clear_session(free_memory=False)  # else Keras numbers the layers on
        return network(write(CODE[name].replace("NUM", number)).part)

    before = extracted(tmp_path / "cache", model("2.0"))
    again = extracted(tmp_path / "cache", model("2.0"))
    assert again.extraction.num_images == (6 if name in UNKNOWN else 0)
    after = extracted(tmp_path / "cache", model("3.0"))
    np.testing.assert_array_equal(rows(after), model("3.0")(IMAGES))
    assert not np.array_equal(rows(after), rows(before))


def small_network(shape=(4, 4, 3)):
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape, name="images")
    return keras.Model(inputs, keras.layers.Dense(2, name="dense")(inputs), name="small")


def state_of_a_generator():
    """A generator whose third pass, and each after it, gives other images."""
    passes = itertools.count()
    spec = tf.TensorSpec((4, 4, 3), "float32")

    def images():
        number = next(passes)
        yield from IMAGES * (1 if number < 2 else 1 + number)

    return tf.data.Dataset.from_generator(images, output_signature=spec).batch(2)


def read_by_python():
    passes = itertools.count()
    spec = tf.TensorSpec((None, 4, 4, 3), "float32")

    def read(images):
        return images + np.float32(next(passes) // 6)

    found = tf.data.Dataset.from_tensor_slices(IMAGES).batch(2)
    return found.map(
        lambda images: tf.ensure_shape(
            tf.numpy_function(read, [images], "float32", stateful=False), spec.shape
        )
    )


def fixed_first_batch():
    def noise(number, images):
        drawn = tf.random.uniform(tf.shape(images), 0, 100)
        return images + tf.where(number == 0, tf.zeros_like(images), drawn)

    return tf.data.Dataset.from_tensor_slices(IMAGES).batch(2).enumerate().map(noise)


def random_flip():
    images = tf.data.Dataset.from_tensor_slices(IMAGES[:2])
    return images.map(tf.image.random_flip_left_right).batch(1)


def drawn_subset():
    return tf.data.Dataset.from_tensor_slices(IMAGES).shuffle(6).take(5).batch(5)


def dropped_rest():
    return tf.data.Dataset.from_tensor_slices(IMAGES).shuffle(6).batch(4, drop_remainder=True)


def mixed_within_a_batch():
    images = tf.data.Dataset.from_tensor_slices(IMAGES).shuffle(6).batch(2)
    return images.map(lambda batch: batch - tf.reduce_mean(batch, 0))


def variable():
    factor = tf.Variable(1.0)
    return tf.data.Dataset.from_tensor_slices(IMAGES).batch(2).map(lambda x: x * factor)


def seeded_noise():
    images = tf.data.Dataset.from_tensor_slices(IMAGES).batch(2)
    return images.map(lambda x: x + tf.random.uniform(tf.shape(x), seed=1))


def cached_noise():
    return seeded_noise().cache()


def in_any_order():
    images = tf.data.Dataset.from_tensor_slices(IMAGES)
    return images.map(tf.identity, num_parallel_calls=2, deterministic=False).batch(2)


def from_files():
    name = tf.constant(__file__)
    images = tf.data.Dataset.from_tensor_slices(IMAGES).batch(2)
    return images.map(
        lambda x: x + tf.cast(tf.strings.length(tf.io.read_file(name)), "float32")
    )


OUTSIDE = [
    state_of_a_generator, read_by_python, fixed_first_batch, random_flip, drawn_subset,
    dropped_rest, mixed_within_a_batch, variable, seeded_noise, cached_noise, from_files,
    in_any_order,
]  # fmt: skip


@pytest.mark.parametrize("make", OUTSIDE)
def test_datasets_that_may_change_are_not_found_again(make, tmp_path):
    model, dataset = small_network(), make()
    number = len(rows(extracted(tmp_path, model, dataset)))
    for again in (dataset, make()):
        features = extracted(tmp_path, model, again)
        assert features.extraction.num_images == number
        assert features.fingerprint is None
    assert not FeatureCache(tmp_path).entries()


def sliced(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays if arrays[1:] else arrays[0])


PURE = {
    "batches": lambda: sliced(IMAGES, LABELS).batch(2),
    "shuffled": lambda: sliced(IMAGES, LABELS).shuffle(6).batch(4).prefetch(1),
    "mapped": lambda: sliced(IMAGES).map(
        lambda x: tf.cond(x[0, 0, 0] > 9, lambda: x, lambda: -x)
    ).batch(2),
    "stateless noise": lambda: sliced(IMAGES).map(
        lambda x: x + tf.random.stateless_uniform((4, 4, 3), (1, 2))
    ).batch(2),
    "cached": lambda: sliced(IMAGES).batch(2).cache(),
    "part": lambda: sliced(IMAGES).skip(1).take(4).repeat(2).batch(3),
}  # fmt: skip


@pytest.mark.parametrize("name", PURE)
def test_datasets_of_tensors_are_found_again(name, tmp_path):
    model = small_network()
    first = extracted(tmp_path, model, PURE[name]())
    again = extracted(tmp_path, model, PURE[name]())
    assert again.extraction.num_images == 0
    np.testing.assert_array_equal(rows(again), rows(first))


OTHER_IMAGES = {
    "pixel": (np.where(np.arange(288).reshape(6, 4, 4, 3) == 17, 3, IMAGES), LABELS),
    "label": (IMAGES, LABELS[::-1].copy()),
    "order": (IMAGES[::-1].copy(), LABELS),
    "dtype": (IMAGES.astype("float64").view("int64").astype("float32"), LABELS),
    "dtype of labels": (IMAGES, LABELS.view("float32")),
    "shape of labels": (IMAGES, LABELS.reshape(6, 1)),
    "name of labels": (IMAGES, {"kind": LABELS}),
    "other name of labels": (IMAGES, {"hue": LABELS}),
}


def test_changed_tensors_are_recomputed(tmp_path):
    model = small_network()
    extracted(tmp_path / "cache", model, images_of())
    for name, arrays in OTHER_IMAGES.items():
        after = extracted(tmp_path / "cache", model, images_of(*arrays))
        fresh = extracted(tmp_path / name, model, images_of(*arrays))
        assert after.extraction.num_images == 6, name
        for one, other in zip(
            *(tf.nest.flatten(each.arrays()) for each in (after, fresh)), strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_equal_bytes_in_another_shape_are_recomputed(tmp_path):
    found = {}
    for shape in ((4, 4, 3), (8, 2, 3), (2, 8, 3)):
        model = small_network((None, None, 3))
        images = IMAGES.reshape(6, *shape)
        found[shape] = rows(extracted(tmp_path, model, sliced(images).batch(2)))
        assert found[shape].shape == (6, *shape[:2], 2)


def test_observed_datasets_are_not_kept_alive():
    dataset = sliced(IMAGES).batch(2)
    observed_source.source_of(dataset)
    alive = weakref.ref(dataset)
    del dataset
    gc.collect()
    assert alive() is None


def picture(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), "uint8")
    return Image.fromarray(noise)


@pytest.fixture
def folder(tmp_path):
    for name in ("ants", "bees"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(3):
            picture(number).save(tmp_path / "photos" / name / f"{number}.bmp")
            picture(number + 9).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def read(folder):
    return data.image_folder(folder, image_size=4, batch_size=2, validation_split=None).train


def another_picture(path):
    picture(99).save(path)


def another_file(path):
    picture(99).save(path.with_suffix(".tmp"), path.suffix[1:])
    os.replace(path.with_suffix(".tmp"), path)


def memory_map(path):
    """A change that leaves the size and the times as they are."""
    times = os.stat(path)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[-20] ^= 255
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def other_rotation(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(0).save(path, exif=exif)


FILES = {
    "picture decoded by TensorFlow": (another_picture, "2.png"),
    "picture decoded by Pillow": (another_picture, "2.bmp"),
    "file moved over it": (another_file, "0.png"),
    "memory map": (memory_map, "1.bmp"),
    "rotation": (other_rotation, "1.png"),
}


@pytest.mark.filterwarnings("ignore::keras_transfer.data.DataWarning")
@pytest.mark.parametrize(
    ("name", "is_known"), [*((name, False) for name in FILES), ("memory map", True)]
)
def test_changed_files_stop_the_extraction(name, is_known, folder, tmp_path, monkeypatch):
    if is_known:  # a file system on which nothing shows that a file has changed
        monkeypatch.setattr(scanning, "_key_of", lambda path, rules, now: os.fspath(path))
    model, (change, place) = small_network(), FILES[name]
    before, dataset = read(folder), read(folder)
    old = rows(extracted(tmp_path / "old", model, before))
    path = folder / "bees" / place
    change(path)
    dataset = read(folder) if is_known else dataset
    told = f"bees.{place}' changed after the data were read"
    for _ in range(2):
        with pytest.raises(ValueError, match=told):
            extracted(tmp_path / "cache", model, dataset)
    changed = read(folder)
    fresh = rows(extracted(tmp_path / "fresh", model, changed))
    for directory in ("old", "cache"):
        found = rows(extracted(tmp_path / directory, model, changed))
        np.testing.assert_array_equal(found, fresh)
        assert not np.array_equal(found, old)


@pytest.mark.filterwarnings("ignore::keras_transfer.data.DataWarning")
@pytest.mark.parametrize("name", ["\u00e4 'q' \"r\" [s] %s", "a\\b\nc", "]"])
def test_names_of_changed_files_are_whole(name, folder, tmp_path):
    path = folder / "bees" / f"{name}.png"
    picture(5).save(path)
    dataset = read(folder)
    picture(6).save(path)
    with pytest.raises(ValueError) as raised:
        extracted(tmp_path / "cache", small_network(), dataset)
    assert str(raised.value).startswith(f"'{path}' changed")


OPTIONS = [
    {}, {"image_size": 5}, {"color_mode": "grayscale"}, {"reduced_decoding": True},
    {"value_range": 40000}, {"value_range": 40000.001}, {"shuffle": False},
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::keras_transfer.data.DataWarning")
def test_other_ways_to_read_files_are_recomputed(folder, tmp_path):
    for name in ("ants", "bees"):
        deep = np.random.default_rng(0).integers(0, 40000, (8, 8)).astype("uint16")
        Image.fromarray(deep).save(folder / name / "deep.png")
    for number, options in enumerate(OPTIONS):
        arguments = {"image_size": 4, "batch_size": 2, "validation_split": None, **options}
        dataset = data.image_folder(folder, **arguments).train
        model = small_network((None, None, dataset.element_spec[0].shape[-1]))
        found = extracted(tmp_path / "cache", model, dataset).arrays()
        fresh = extracted(tmp_path / f"fresh {number}", model, dataset).arrays()
        np.testing.assert_array_equal(found[0], fresh[0])
        np.testing.assert_array_equal(found[1], fresh[1])


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
_STRUCTURES = st.recursive(
    _LEAVES,
    lambda parts: (
        st.lists(parts) | st.tuples(parts, parts) | st.dictionaries(st.text(max_size=2), parts)
    ),
    max_leaves=6,
)


@few(200)
@hypothesis.given(_STRUCTURES, _STRUCTURES)
def test_values_have_equal_digests_only_if_they_are_equal(one, other):
    assert (digest_of(one) == digest_of(other)) == (repr(one) == repr(other))
    assert digest_of([one, other]) == digest_of([copy.deepcopy(one), copy.deepcopy(other)])


_ARRAYS = hnp.arrays(
    st.sampled_from(("uint8", "float32", "int64", "float16")), hnp.array_shapes(max_side=3)
)


@few(200)
@hypothesis.given(_ARRAYS, st.data())
def test_a_changed_bit_changes_the_digest_of_an_array(array, drawn):
    changed = array.copy()
    place = drawn.draw(st.integers(0, array.nbytes - 1))
    changed.reshape(-1).view("uint8")[place] ^= 1 << drawn.draw(st.integers(0, 7))
    kinds = [array, changed, array[None], array.reshape(-1, 1, 1, 1, 1), array.tolist()]
    found = [digest_of(each) for each in kinds]
    assert len(set(found)) == len(kinds)
    assert found[0] == digest_of(array.copy())


@pytest.mark.parametrize("rule", ["pure", "unknown"])
def test_code_of_engines_is_part_of_the_key(rule, write, tmp_path):
    source = (
        "import itertools\nfrom keras_transfer.features import TensorFlowEngine\n"
        f"COUNT = {'itertools.count()' if rule == 'unknown' else '0'}\n"
        "class Engine(TensorFlowEngine):\n    name = 'own'\n"
        "    def compile(self, stem):\n        run = super().compile(stem)\n"
        "        return lambda images: (COUNT and 0 or NUM * each for each in run(images))\n"
    )
    model, found = small_network(), []
    for number in ("2.0", "2.0", "3.0"):
        engine = write(source.replace("NUM", number)).Engine()
        found.append(FeatureCache(tmp_path, engine).extract(model, images_of()))
    computed = [each.extraction.num_images for each in found]
    assert computed == ([6, 0, 6] if rule == "pure" else [6, 6, 6])
