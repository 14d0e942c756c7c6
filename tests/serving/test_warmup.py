import importlib.util

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer import serving
from keras_transfer.serving import warmup
from tests.serving.models_to_export import pixels, small_model, write_pngs

_PLACE = "assets.extra/tf_serving_warmup_requests"


@pytest.mark.parametrize("channels", [3, 5])
def test_the_requests_parse_and_the_model_answers_them(tmp_path, channels):
    apis = pytest.importorskip("tensorflow_serving.apis", reason="needs tensorflow-serving-api")
    del apis
    from tensorflow_serving.apis import prediction_log_pb2

    examples = write_pngs(pixels(40), tmp_path / "pictures") if channels == 3 else None
    model = small_model(channels=channels)
    version = serving.export(model, tmp_path / "served", examples=examples)
    served = tf.saved_model.load(str(version)).signatures
    records = list(tf.data.TFRecordDataset(str(version / _PLACE)))
    assert len(records) == (32 if examples else 2)
    for record in records[:3]:
        request = prediction_log_pb2.PredictionLog.FromString(
            record.numpy()
        ).predict_log.request
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        answers = served[request.model_spec.signature_name](
            **{name: tf.constant(value) for name, value in inputs.items()}
        )
        np.testing.assert_allclose(tf.reduce_sum(answers["probabilities"], axis=1), [1.0], 1e-5)
    if examples:
        assert inputs["image_bytes"].tolist() == [examples[2].read_bytes()]


def test_nothing_is_written_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not warmup.can_write_warmup()
    assert not warmup.write_warmup(tmp_path, {"image_bytes": tf.constant([b"picture"])})
    assert not list(tmp_path.iterdir())
