"""The demo, with little data."""

import tensorflow as tf

from keras_transfer.cli.main import main


def test_quick_demo_compares_exports_and_predicts(tmp_path, capsys):
    assert main(["--traceback", "demo", "--quick", "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if "% +- " in line]
    ways = [row.split("  ")[1].strip() for row in rows]
    assert ways == ["from scratch", "frozen features", "fine-tuned"]
    digits = tf.io.encode_png(tf.zeros((8, 8, 1), tf.uint8))[tf.newaxis]
    served = tf.saved_model.load(str(tmp_path / "out" / "1")).signatures["serving_default"]
    assert served(image_bytes=digits)["label"].numpy()[0].decode() in "0123456789"
