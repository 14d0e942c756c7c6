"""What a run leaves behind, and how it is found again."""

import json
import pathlib

from keras_transfer.training.files import write_aside

_DESCRIPTION = "run.json"
_MODEL = "model.keras"


class RunFolder:
    """The folder of one training.

    Args:
        path: the folder.

    Attributes:
        path: the folder, a `pathlib.Path`.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def create(self):
        """Makes the folder.

        Raises:
            FileExistsError: if it holds something already, which is not to be overwritten.
        """
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise FileExistsError(
                f"'{self.path}' exists and is not empty; nothing was overwritten. Name a new "
                "folder with --output."
            )
        self.path.mkdir(parents=True, exist_ok=True)

    def write_json(self, name, values):
        """Writes a JSON file, all or nothing."""
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"

        def write(aside):
            pathlib.Path(aside).write_text(text, encoding="utf-8")

        write_aside(self.path / name, write)

    def describe(self, values):
        """Writes `run.json`: the backbone, the class names and the image size."""
        self.write_json(_DESCRIPTION, values)

    def description(self):
        """The contents of `run.json`.

        Raises:
            FileNotFoundError: if this is no run folder, or its training did not finish.
            ValueError: if the file is damaged.
        """
        for name in (_DESCRIPTION, _MODEL):
            if not (self.path / name).is_file():
                raise FileNotFoundError(
                    f"'{self.path}' is no run folder with a trained model: it holds no "
                    f"'{name}'. Make one with `keras-transfer fit DATA --output {self.path}`."
                )
        try:
            description = json.loads((self.path / _DESCRIPTION).read_text(encoding="utf-8"))
            return {key: description[key] for key in ("class_names", "image_size", "channels")}
        except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise ValueError(
                f"'{self.path / _DESCRIPTION}' is damaged ({type(error).__name__}: {error})."
            ) from error

    def load_model(self):
        """The trained model."""
        import keras

        import keras_transfer.models  # noqa: F401  registers the classes in the file

        return keras.saving.load_model(self.path / _MODEL)
