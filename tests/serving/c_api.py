"""Labels of pictures by TensorFlow's C API, without Python's TensorFlow or Keras.

    python c_api.py [--json] MODEL_DIR PICTURE...

prints one label per picture; with `--json`, all the answers of the signature
`serving_default`. It loads the shared libraries inside the `tensorflow` package.
"""

import argparse
import ctypes
import importlib.util
import json
import pathlib
import sys

import numpy as np

_STRING = 7
_DTYPES = {1: np.float32, 3: np.int32, 9: np.int64}


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class _Buffer(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    )


class _TString(ctypes.Structure):
    _fields_ = (("opaque", ctypes.c_uint8 * 24),)


# Functions that do not return a pointer, an integer or nothing are listed with their arguments.
_POINTERS = (
    "TF_NewStatus",
    "TF_NewGraph",
    "TF_NewSessionOptions",
    "TF_NewBuffer",
    "TF_LoadSessionFromSavedModel",
    "TF_GraphOperationByName",
    "TF_AllocateTensor",
    "TF_TensorData",
)


def load_library():
    """The C API, from the folder of the `tensorflow` package, which is not imported."""
    folder = pathlib.Path(importlib.util.find_spec("tensorflow").submodule_search_locations[0])
    for pattern in ("libtensorflow_framework*", "libtensorflow_cc*"):
        path = min(folder.glob(pattern), key=lambda path: len(path.name))
        library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    for name in _POINTERS:
        getattr(library, name).restype = ctypes.c_void_p
    library.TF_Message.restype = ctypes.c_char_p
    library.TF_Dim.restype = ctypes.c_int64
    library.TF_StringGetDataPointer.restype = ctypes.c_void_p
    library.TF_StringGetSize.restype = ctypes.c_size_t
    return library


class Model:
    """A SavedModel, loaded by `TF_LoadSessionFromSavedModel`."""

    def __init__(self, directory):
        self._c = load_library()
        self._status = ctypes.c_void_p(self._c.TF_NewStatus())
        self._graph = ctypes.c_void_p(self._c.TF_NewGraph())
        options = ctypes.c_void_p(self._c.TF_NewSessionOptions())
        self._c.TF_NewBuffer.restype = ctypes.POINTER(_Buffer)
        meta_graph = self._c.TF_NewBuffer()
        tags = (ctypes.c_char_p * 1)(b"serve")
        session = self._c.TF_LoadSessionFromSavedModel(
            options,
            None,
            str(directory).encode(),
            tags,
            1,
            self._graph,
            meta_graph,
            self._status,
        )
        self._check()
        self._session = ctypes.c_void_p(session)
        buffer = meta_graph.contents
        self.signatures = read_signatures(ctypes.string_at(buffer.data, buffer.length))

    def __call__(self, pictures, signature="serving_default"):
        """The answers for encoded pictures, a list of bytes, as a dict of name to array."""
        inputs, outputs = self.signatures[signature]
        (fed,) = inputs.values()
        tensor = ctypes.c_void_p(self._string_tensor(pictures))
        results = (ctypes.c_void_p * len(outputs))()
        fetched = (_Output * len(outputs))(*(self._output(name) for name in outputs.values()))
        self._c.TF_SessionRun(
            self._session,
            None,
            ctypes.byref(self._output(fed)),
            ctypes.byref(tensor),
            1,
            fetched,
            results,
            len(outputs),
            None,
            0,
            None,
            self._status,
        )
        self._check()
        return {
            name: self._array(ctypes.c_void_p(result))
            for name, result in zip(outputs, results, strict=True)
        }

    def _check(self):
        if self._c.TF_GetCode(self._status):
            raise RuntimeError(self._c.TF_Message(self._status).decode())

    def _output(self, tensor_name):
        name, _, index = tensor_name.partition(":")
        operation = self._c.TF_GraphOperationByName(self._graph, name.encode())
        if not operation:
            raise RuntimeError(f"no operation {name!r} in the graph")
        return _Output(operation, int(index))

    def _string_tensor(self, strings):
        dimensions = (ctypes.c_int64 * 1)(len(strings))
        size = ctypes.c_size_t(len(strings) * ctypes.sizeof(_TString))
        tensor = self._c.TF_AllocateTensor(_STRING, dimensions, 1, size)
        items = self._strings(ctypes.c_void_p(tensor), len(strings))
        for item, string in zip(items, strings, strict=True):
            self._c.TF_StringInit(ctypes.byref(item))
            self._c.TF_StringCopy(ctypes.byref(item), string, ctypes.c_size_t(len(string)))
        return tensor

    def _strings(self, tensor, count):
        return (_TString * count).from_address(self._c.TF_TensorData(tensor) or 0)

    def _array(self, tensor):
        shape = [self._c.TF_Dim(tensor, axis) for axis in range(self._c.TF_NumDims(tensor))]
        count = int(np.prod(shape))
        kind = self._c.TF_TensorType(tensor)
        if kind == _STRING:
            strings = [self._text(item) for item in self._strings(tensor, count)]
            return np.array(strings, dtype=object).reshape(shape)
        dtype = np.dtype(_DTYPES[kind])
        data = ctypes.string_at(self._c.TF_TensorData(tensor), count * dtype.itemsize)
        return np.frombuffer(data, dtype).reshape(shape)

    def _text(self, item):
        size = self._c.TF_StringGetSize(ctypes.byref(item))
        data = self._c.TF_StringGetDataPointer(ctypes.byref(item))
        # A PNG file is no text, and comes back by `encode("utf-8", "surrogateescape")`.
        return ctypes.string_at(data, size).decode("utf-8", "surrogateescape")


def read_signatures(meta_graph):
    """Name to inputs and outputs, each a dict of name to tensor name, of a `MetaGraphDef`."""
    # The numbers are those of the fields in TensorFlow's meta_graph.proto.
    signatures = {}
    for entry in _fields(meta_graph, 5):
        name, signature = _entry(entry)
        signatures[name] = tuple(
            {
                key: _fields(tensor, 1)[0].decode()
                for key, tensor in map(_entry, _fields(signature, number))
            }
            for number in (1, 2)
        )
    return signatures


def _entry(message):
    return _fields(message, 1)[0].decode(), _fields(message, 2)[0]


def _fields(message, wanted):
    """The values of the length-delimited fields of a protocol buffer with this number."""
    values, position = [], 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            _, position = _varint(message, position)
            continue
        length = {1: 8, 5: 4}.get(kind)
        if length is None:
            length, position = _varint(message, position)
        if number == wanted:
            values.append(message[position : position + length])
        position += length
    return values


def _varint(message, position):
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position += 1
        shift += 7
        if byte < 0x80:
            return value, position


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--json", action="store_true", help="print all the answers")
    options = parser.parse_args()
    model = Model(options.model)
    answers = model([pathlib.Path(picture).read_bytes() for picture in options.pictures])
    if options.json:
        answers = {name: values.tolist() for name, values in answers.items()}
        answers["imported"] = sorted({"tensorflow", "keras"} & set(sys.modules))
        print(json.dumps(answers))
    else:
        print(*answers["label"], sep="\n")


if __name__ == "__main__":
    main()
