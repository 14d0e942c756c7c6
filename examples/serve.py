"""From pictures to a server: trains, exports, and asks the export what it sees.

    python examples/serve.py DATA OUTPUT

Then `tensorflow_model_server --rest_api_port=8501 --model_base_path=OUTPUT` (an absolute path)
answers the request that is printed at the end.
"""

import base64
import json
import pathlib
import sys

import tensorflow as tf

from keras_transfer import data, heads, models, serving, training


def main(folder, output, backbone="MobileNetV2", image_size=224, plan=None):
    splits = data.image_folder(folder, image_size)
    model = models.TransferModel(backbone, heads.SoftmaxHead(len(splits.class_names)))
    training.fine_tune(model, splits.train, splits.validation, plan=plan, verbose=2)
    version = serving.export(model, output, class_names=splits.class_names)
    print(f"exported {version}")

    paths = splits.paths["validation"][:4]
    answer = ask(version, paths)
    for path, label, row in zip(paths, answer["label"], answer["probabilities"], strict=True):
        print(f"{path}: {label.decode()} ({max(row):.1%})")
    print("POST http://localhost:8501/v1/models/default:predict")
    print(json.dumps(rest_request(paths[:1]))[:100] + "...")
    return version, paths, answer


def ask(version, paths):
    """What the exported model answers for the encoded pictures, without Keras."""
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    answer = served(
        image_bytes=tf.constant([pathlib.Path(path).read_bytes() for path in paths])
    )
    return {name: values.numpy() for name, values in answer.items()}


def rest_request(paths):
    """The body of a request to TensorFlow Serving."""
    encoded = [base64.b64encode(pathlib.Path(path).read_bytes()).decode() for path in paths]
    return {"instances": [{"image_bytes": {"b64": text}} for text in encoded]}


if __name__ == "__main__":
    main(*sys.argv[1:3])
