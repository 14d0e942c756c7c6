"""Whether an export computes what the model does."""

import keras
import numpy as np

# The largest difference that rounding explains, relative to the largest output: float32 in
# another order of summation, also with the 10 bits of a GPU's TF32; half precision.
_TOLERANCE = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2}
# ONNX Runtime's sigmoid is this far off where all outputs are almost 0.
_NOTHING = 1e-6


def check_parity(signatures, images, answers, what):
    """Holds what an export answers against `predict`.

    Args:
        signatures: the `Signatures` of the export.
        images: the pictures, an array of shape `(batch, height, width, channels)`.
        answers: the export's answers for them, a dict of name to array.
        what: what to call the export in the error.

    Raises:
        RuntimeError: if they differ.
    """
    model = signatures.model
    # `predict` hands each replica a share, which may be empty, and convolutions fail on that;
    # `predict_on_batch` hands each of them the whole batch.
    outputs = model.predict_on_batch(np.asarray(images))
    outputs = keras.tree.map_structure(lambda output: output[: len(images)], outputs)
    expected = signatures.describe(outputs)
    tolerance = max(_TOLERANCE.get(layer.compute_dtype, 0.0) for layer in model.layers)
    for name, values in expected.items():
        if not values.dtype.is_floating:
            continue
        values = np.asarray(values)
        if not np.isfinite(values).all():
            raise RuntimeError(
                f"`predict` gives '{name}' that are not finite: did training diverge? Nothing "
                "was exported."
            )
        difference = float(np.max(np.abs(np.asarray(answers[name]) - values)))
        largest = float(np.max(np.abs(values)))
        if not difference <= tolerance * largest + _NOTHING:
            raise RuntimeError(
                f"The exported model does not compute what `predict` does: '{name}' of {what} "
                f"differs by {difference:.2g}, where the largest is {largest:.2g}. Nothing was "
                "exported. Does a layer behave differently in a traced graph?"
            )
