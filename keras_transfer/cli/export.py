"""`keras-transfer export`."""

from keras_transfer import serving
from keras_transfer.cli.run_folder import RunFolder


def run(options):
    """Writes the next version of a run's model for TensorFlow Serving, or another file."""
    run_folder = RunFolder(options.run)
    description = run_folder.description()
    model = run_folder.load_model()
    if options.file is not None:
        print(serving.export_file(model, options.file))
        return
    version = serving.export(
        model,
        options.output or run_folder.path / "serving",
        class_names=description["class_names"],
    )
    print(version)
