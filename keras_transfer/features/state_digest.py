"""A digest of Python values and of the code that they run, down to the libraries."""

import dis
import enum
import functools
import hashlib
import pathlib
import re
import sys
import types

import keras
import numpy as np
import tensorflow as tf

# Their code changes with their version only.
_LIBRARIES = frozenset(
    ("builtins", "keras", "keras_hub", "keras_transfer", "ml_dtypes", "numpy", "tensorflow")
) | set(sys.stdlib_module_names)
# Code that uses these names may depend on what is outside the process, or on chance.
_OUTSIDE = frozenset(
    (
        "__import__", "default_rng", "environ", "eval", "exec", "fromfile", "getenv",
        "globals", "import_module", "load", "load_model", "load_weights", "loadtxt", "locals",
        "memmap", "monotonic", "now", "open", "perf_counter", "rand", "randint", "randn",
        "random", "read_bytes", "read_file", "read_text", "time", "time_ns", "today", "urandom",
        "uuid4", "vars",
    )
)  # fmt: skip
_PLAIN = (
    type(None), type(...), type(NotImplemented), bool, int, float, complex, str, bytes,
    range, slice, np.generic, np.dtype, tf.DType, tf.TensorShape, pathlib.PurePath, re.Pattern,
)  # fmt: skip
_BY_VALUE = (tuple, frozenset, types.CodeType, np.ndarray, tf.Tensor)
_ARRAYS = (np.ndarray, tf.Tensor, tf.Variable, keras.Variable)
# What Python itself adds to each class, and what says nothing about its numbers.
_OF_EVERY_CLASS = frozenset(
    (
        "__abstractmethods__", "__annotations__", "__dataclass_fields__",
        "__dataclass_params__", "__dict__", "__doc__", "__firstlineno__",
        "__module__", "__qualname__", "__static_attributes__", "__weakref__", "_abc_impl",
    )
)  # fmt: skip
# Weights have their values already, and only training uses the others.
_ONLY_FOR_TRAINING = ("_initializer", "_regularizer", "_constraint")


class UnknownStateError(ValueError):
    """What a value computes cannot be known from its attributes and its code."""


class _Empty:
    """Objects of the libraries that are as small have attributes only, such as sentinels."""


class StateDigest:
    """A digest of values: of their content, and of the code of their functions and classes.

    Code is hashed as bytecode with its constants, defaults, closure, and what it names in its
    module. Functions and classes of Keras, TensorFlow, NumPy, the standard library and this
    library are known by their names; of their objects, what the user put into them is hashed.
    `add` raises `UnknownStateError` where code or state cannot be read.
    """

    def __init__(self):
        self._digest = hashlib.sha256()
        self._seen = {}  # from id to place and value, which must live as long as its id

    def hexdigest(self):
        """The digest as text."""
        return self._digest.hexdigest()

    def add(self, value):
        """Adds a value of any type."""
        is_library = _is_library(type(value).__module__)
        if isinstance(value, _PLAIN) and is_library:
            self._put(type(value).__name__, repr(value))
        elif isinstance(value, enum.Enum):
            self._put("enum", f"{type(value).__qualname__}.{value.name}")
            if not is_library:
                self.add([type(value), value.value])
        # Python may make one object of equal constants, or not.
        elif isinstance(value, _BY_VALUE) or not self._is_seen(value):
            self._add_once(value)

    def _put(self, kind, content):
        content = content.encode("utf-8", "surrogatepass") if type(content) is str else content
        self._digest.update(f"{kind}:{len(content)}:".encode())
        self._digest.update(content)

    def _is_seen(self, value):
        if id(value) in self._seen:
            self._put("seen", str(self._seen[id(value)][0]))
            return True
        self._seen[id(value)] = len(self._seen), value
        return False

    def _add_once(self, value):
        if isinstance(value, _ARRAYS):
            self._add_array(value)
        elif isinstance(value, (list, tuple, set, frozenset, dict, types.MappingProxyType)):
            self._add_container(value)
        elif isinstance(value, types.CodeType):
            self._add_code(value)
        elif isinstance(value, types.FunctionType):
            self._add_function(value)
        elif isinstance(value, types.ModuleType):
            self._add_module(value, None)
        elif isinstance(value, type):
            self._add_class(value)
        elif (parts := _parts_of(value)) is not None:
            self._put("parts", type(value).__name__)
            self.add(parts)
        elif isinstance(value, (types.BuiltinFunctionType, np.ufunc)):
            self._add_builtin(value)
        else:
            self._add_object(value)

    def _add_array(self, value):
        array = value if isinstance(value, np.ndarray) else keras.ops.convert_to_numpy(value)
        self._put("array", f"{array.dtype}{array.shape}")
        if array.dtype.hasobject:
            self.add(array.tolist())
        else:
            self._put("bytes", bytes_of(array))

    def _add_container(self, value):
        self._put(type(value).__name__, str(len(value)))
        if not _is_library(type(value).__module__):
            self.add([type(value), getattr(value, "__dict__", None)])
        if isinstance(value, (set, frozenset)):
            for digest in sorted(map(digest_of, value)):
                self._put("element", digest)
            return
        is_dict = isinstance(value, (dict, types.MappingProxyType))
        for element in value.items() if is_dict else value:
            for part in element if is_dict else (element,):
                self.add(part)

    def _add_code(self, code):
        figures = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount
        names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
        self._put("code", repr((figures, code.co_flags, names)))
        self._put("bytes", code.co_code)
        self._put("bytes", getattr(code, "co_exceptiontable", b""))
        self.add(code.co_consts)

    def _add_function(self, function):
        module = function.__globals__.get("__name__", "")
        self._put("function", function.__qualname__)
        cells = function.__closure__ or ()
        if _is_library(module):
            self._put("module", module)
            for cell in cells:
                self._add_users_part(_content(cell))
            self._add_users_part(function.__dict__)
            return
        names = _names(function.__code__)
        if outside := names & _OUTSIDE:
            raise UnknownStateError(f"{function.__qualname__} uses {sorted(outside)}")
        self.add(function.__code__)
        self.add([function.__defaults__, function.__kwdefaults__, function.__dict__])
        self.add([_content(cell) for cell in cells])
        for cell in cells:
            if isinstance(_content(cell), types.ModuleType):
                self._add_module(_content(cell), names)
        for name in sorted(_globals(function.__code__) & function.__globals__.keys()):
            self._put("name", name)
            self._add_named(function.__globals__[name], names)
        for imported in _imported(function):
            self._add_named(imported, names)

    def _add_named(self, value, names):
        if isinstance(value, types.ModuleType):
            self._add_module(value, names)
        else:
            self.add(value)

    def _add_module(self, module, names):
        """What code with these names can refer to in a module."""
        self._put("module", module.__name__)
        if _is_library(module.__name__):
            return
        if names is None or "getattr" in names:
            raise UnknownStateError(f"the names that are used of {module.__name__}")
        for name in sorted(names & vars(module).keys()):
            value = vars(module)[name]
            if isinstance(value, types.ModuleType):
                if not self._is_seen(value):
                    self._add_module(value, names)
            else:
                self._put("name", name)
                self.add(value)

    def _add_class(self, found):
        is_library = _is_library(found.__module__)
        # The module of the user's class has another name in a script than in a test.
        module = found.__module__ if is_library else ""
        self._put("class", f"{module}.{found.__qualname__}")
        if type(found) is not type:
            self.add(type(found))
        for base in found.__mro__[1:]:
            self.add(base)
        for name, value in sorted(vars(found).items()):
            if name in _OF_EVERY_CLASS:
                continue
            if not is_library:
                self._put("name", name)
                self.add(value)
            elif isinstance(value, types.FunctionType):
                self._add_users_part({name: value})  # put there by the user

    def _add_builtin(self, value):
        owner = getattr(value, "__self__", None)
        self._put("builtin", value.__name__)
        if isinstance(value, np.ufunc):
            is_known = getattr(np, value.__name__, None) is value
        elif owner is None or isinstance(owner, types.ModuleType):
            is_known = _is_library(value.__module__ or getattr(owner, "__name__", ""))
        else:
            self.add(owner)
            return
        if not is_known:
            raise UnknownStateError(f"{value!r} is compiled code")

    def _add_object(self, value):
        kind = type(value)
        if isinstance(value, types.MemberDescriptorType):  # of `__slots__`
            self._put("slot", value.__name__)
            return
        self.add(kind)
        if isinstance(value, keras.KerasTensor):
            self._put("tensor", f"{value.shape}{value.dtype}")
        elif not _is_library(kind.__module__):
            self._add_attributes(value)
        elif isinstance(value, keras.Operation):
            self._add_operation(value)
        elif kind is types.SimpleNamespace:
            self.add(vars(value))
        elif kind.__module__.startswith("keras") and hasattr(value, "get_config"):
            self.add(value.get_config())
        elif kind.__basicsize__ != _Empty.__basicsize__ or getattr(value, "__dict__", True):
            raise UnknownStateError(f"the state of {kind.__qualname__}")

    def _add_attributes(self, value):
        """All attributes of an object of the user's class."""
        slots = [
            name
            for base in type(value).__mro__
            for name, slot in vars(base).items()
            if isinstance(slot, types.MemberDescriptorType) and hasattr(value, name)
        ]
        found = {name: getattr(value, name) for name in slots} | getattr(value, "__dict__", {})
        if isinstance(value, keras.Operation):
            found = _without_keras_own(found)
        elif isinstance(value, (*_PLAIN, keras.KerasTensor, tf.Module)):
            raise UnknownStateError(f"the state of {type(value).__qualname__}")
        self.add({name: found[name] for name in sorted(found)})

    def _add_operation(self, operation):
        """A layer of Keras: its config, its weights, and what the user put into it."""
        if isinstance(operation, keras.layers.Layer):
            self.add(operation.get_config())
            self.add(list(operation.weights))
        self._add_users_part(_without_keras_own(vars(operation)))

    def add_users_part(self, operation):
        """What a user put into an operation whose config and weights are known: functions."""
        if _is_library(type(operation).__module__):
            self.add(type(operation))
            self._add_users_part(_without_keras_own(vars(operation)))
        else:
            self.add(operation)
        for node in operation._inbound_nodes:
            self._add_users_part([node.arguments.args, node.arguments.kwargs])

    def _add_users_part(self, value):
        """The user's functions, classes and objects in a value of a library."""
        if isinstance(value, (list, tuple)):
            for part in value:
                self._add_users_part(part)
        elif isinstance(value, dict):
            for name, part in value.items():
                if not str(name).endswith(_ONLY_FOR_TRAINING):
                    self._add_users_part(part)
        elif isinstance(value, types.FunctionType):
            is_own = _is_library(value.__globals__.get("__name__", ""))
            if not is_own or value.__closure__ or value.__dict__:
                self.add(value)
        elif isinstance(value, type):
            if not _is_library(value.__module__):
                self.add(value)
        elif isinstance(value, functools.partial):
            self.add(value)
        elif isinstance(value, types.MethodType):
            is_own = _is_library(getattr(value.__func__, "__globals__", {}).get("__name__", ""))
            self._add_users_part(value.__self__) if is_own else self.add(value)
        elif (parts := _parts_of(value)) is not None:
            self._add_users_part(parts)
        elif not _is_library(type(value).__module__):
            self.add(value)


def digest_of(value):
    """The digest of one value."""
    digest = StateDigest()
    digest.add(value)
    return digest.hexdigest()


def bytes_of(array):
    """The memory of an array, without a copy if it is contiguous."""
    # As uint8, since bfloat16 does not support the buffer protocol.
    return np.ascontiguousarray(array).reshape(-1).view("uint8").data


def _is_library(module):
    return str(module).partition(".")[0] in _LIBRARIES


def _parts_of(value):
    """What a wrapper of functions consists of; None if the value is no such wrapper."""
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, (staticmethod, classmethod)):
        return [value.__func__]
    if isinstance(value, property):
        return [value.fget, value.fset, value.fdel]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, functools.cached_property):
        return [value.func]
    if isinstance(value, np.vectorize):
        return [value.pyfunc]
    if _is_library(type(value).__module__) and callable(value):
        # `tf.function` and the wrappers of `functools`.
        for name in ("python_function", "__wrapped__"):
            if name in dir(type(value)) or name in getattr(value, "__dict__", ()):
                return [getattr(value, name)]
    return None


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _codes(code):
    """A code object and those of the functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _names(code):
    return {name for each in _codes(code) for name in each.co_names}


def _globals(code):
    """The names that code looks up in its module, not as attributes."""
    return {
        instruction.argval
        for each in _codes(code)
        for instruction in dis.get_instructions(each)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
    }


def _imported(function):
    """The modules that a function itself imports."""
    package = function.__globals__.get("__package__") or ""
    for code in _codes(function.__code__):
        for instruction in dis.get_instructions(code):
            if instruction.opname == "IMPORT_NAME":
                name = instruction.argval
                relative = f"{package}.{name}".rstrip(".")
                found = [sys.modules[each] for each in (name, relative) if each in sys.modules]
                if not found and not _is_library(name):
                    raise UnknownStateError(f"{function.__qualname__} imports {name}")
                yield from found


@functools.cache
def _keras_own_names():
    """The attributes that Keras gives to each layer and model for its own use."""
    tensor = keras.Input((1,), name="input")
    models = keras.Model(name="model"), keras.Model(tensor, tensor, name="functional")
    found = {name for each in models for name in vars(each)}
    return found | set(vars(keras.layers.Layer(name="layer")))


def _without_keras_own(attributes):
    return {
        name: value
        for name, value in attributes.items()
        if name not in _keras_own_names() and not name.startswith("_self_")
    }
