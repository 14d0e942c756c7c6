"""The comparison of an export with the model."""

import keras
import numpy as np

# The largest difference by rounding, relative to the largest output: float32 in another order
# of summation, including a GPU's TF32; half precision.
_TOLERANCE = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2}
# The error of ONNX Runtime's sigmoid when all outputs are almost 0.
_NOTHING = 1e-6


# The share of pixels whose two best classes are equal but for rounding.
_TIES = 1e-3


def _check_pixels(name, values, answers, what):
    """Raises `RuntimeError` if masks differ; of other integers the probabilities tell."""
    if values.dtype.is_integer and values.shape.rank == 3:
        differ = float(np.mean(np.asarray(answers[name]) != np.asarray(values)))
        if differ > _TIES:
            raise RuntimeError(
                f"The export does not compute the same as `predict`: {differ:.1%} of the "
                f"pixels of '{name}' of {what} differ. Nothing was exported."
            )


def check_parity(signatures, inputs, answers, what):
    """Compares the outputs of an export with `predict`.

    Args:
        signatures: the `Signatures` of the export.
        inputs: a dict of the inputs of the model by name.
        answers: the outputs of the export for them, a dict of name to array.
        what: the name of the export for the error.

    Raises:
        RuntimeError: if they differ.
    """
    model = signatures.model
    # `predict` gives each replica a share, which may be empty, and convolutions fail on it;
    # `predict_on_batch` gives each replica the whole batch.
    outputs = model.predict_on_batch(signatures.packed(inputs))
    count = len(next(iter(inputs.values())))
    outputs = keras.tree.map_structure(lambda output: output[:count], outputs)
    expected = signatures.describe(outputs)
    tolerance = max(_TOLERANCE.get(layer.compute_dtype, 0.0) for layer in model.layers)
    for name, values in expected.items():
        if not values.dtype.is_floating:
            _check_pixels(name, values, answers, what)
            continue
        values = np.asarray(values)
        if not np.isfinite(values).all():
            raise RuntimeError(
                f"`predict` returns '{name}' that are not finite: did the training diverge? "
                "Nothing was exported."
            )
        difference = float(np.max(np.abs(np.asarray(answers[name]) - values)))
        largest = float(np.max(np.abs(values)))
        if not difference <= tolerance * largest + _NOTHING:
            raise RuntimeError(
                f"The export does not compute the same as `predict`: '{name}' of {what} "
                f"differs by {difference:.2g}; the largest value is {largest:.2g}. Nothing was "
                "exported. Does a layer behave differently in a traced graph?"
            )
