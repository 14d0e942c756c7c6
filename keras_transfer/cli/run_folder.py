"""What a run leaves behind, and how it is found again."""

import contextlib
import json
import pathlib
import shutil

from keras_transfer._files import held, write_text_aside
from keras_transfer._text import reason_of
from keras_transfer.cli.findings import names_of_findings

_DESCRIPTION = "run.json"
_MODEL = "model.keras"
_LOCK, _ASIDE = ".lock", ".writing-"
# Written at the very end: a run without them is unfinished.
_METRICS = "metrics.json"


class RunFolder:
    """The folder of one training.

    Args:
        path: the folder.
        writes: whether this process writes in it. Of several workers it is the chief; for the
            others the folder is never an obstacle. Defaults to True.

    Attributes:
        path: the folder, a `pathlib.Path`.
    """

    def __init__(self, path, writes=True):
        self.path = pathlib.Path(path)
        self.writes = writes

    def check_free(self, settings):
        """Raises `FileExistsError` if there is something already, which is not overwritten.

        What an unfinished run of the same command left is no obstacle.

        Args:
            settings: what the command was told, a dict; part of `run.json`.
        """
        if not self.writes or not self.path.exists() or self.is_unfinished(settings):
            return
        if not self.path.is_dir():
            raise FileExistsError(
                f"'{self.path}' is a file; nothing was overwritten. Name a new folder with "
                "--output."
            )
        if all(map(_is_no_obstacle, self.path.iterdir())):
            return
        described = self._unfinished()
        if described is None and (self.path / _METRICS).exists():
            raise FileExistsError(
                f"'{self.path}' exists and holds a finished run; nothing was overwritten. Name "
                f"a new folder with --output. (`keras-transfer report {self.path}` writes its "
                "page again.)"
            )
        if described is None:
            raise FileExistsError(
                f"'{self.path}' exists and is not empty; nothing was overwritten. Name a new "
                "folder with --output."
            )
        raise FileExistsError(
            f"'{self.path}' holds an unfinished run with other settings "
            f"({_difference(described, settings)}); nothing was overwritten. Go on with the "
            "same ones, or name a new folder with --output."
        )

    def is_unfinished(self, settings):
        """Whether a command of the same settings began this run and did not finish it."""
        described = self._unfinished()
        return described is not None and not _differing(described, settings)

    def _unfinished(self):
        """The contents of `run.json`, if it is there without those that are written last."""
        try:
            described = json.loads((self.path / _DESCRIPTION).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        is_whole = isinstance(described, dict) and not (self.path / _METRICS).exists()
        return described if is_whole else None

    @contextlib.contextmanager
    def taken(self, settings):
        """Makes the folder, as `check_free` allows, and keeps other processes from it.

        What killed ones left half written is removed.

        Raises:
            FileExistsError: if another process has taken it, or as `check_free` does.
        """
        self.check_free(settings)
        self.path.mkdir(parents=True, exist_ok=True)
        message = (
            f"Another process is training in '{self.path}'. Wait for it, or name a new folder "
            "with --output."
        )
        with held(self.path / _LOCK, message):
            self.check_free(settings)  # another process may have ended its run meanwhile
            for left_over in self.path.glob(f"{_ASIDE}*"):
                if left_over.is_dir():
                    shutil.rmtree(left_over)
                else:
                    left_over.unlink()
            # Of a run that is not finished; the next export would get another number.
            shutil.rmtree(self.path / "serving", ignore_errors=True)
            yield

    def write_json(self, name, values):
        """Writes a JSON file, all or nothing."""
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
        write_text_aside(self.path / name, text)

    def finish(self, metrics):
        """Writes `metrics.json`, after which the run is finished, and removes checkpoints."""
        self.write_json(_METRICS, metrics)
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)

    def describe(self, values):
        """Writes `run.json`: the backbone, the class names and the image size."""
        self.write_json(_DESCRIPTION, values)

    def description(self):
        """The contents of `run.json`.

        Raises:
            FileNotFoundError: if this is no run folder, or its training did not finish.
            ValueError: if the file is damaged.
        """
        if not (self.path / _DESCRIPTION).is_file():
            raise FileNotFoundError(
                f"'{self.path}' is no run folder: it holds no '{_DESCRIPTION}'. Make one with "
                f"`keras-transfer fit DATA --output {self.path}`."
            )
        if not (self.path / _MODEL).is_file():
            raise FileNotFoundError(
                f"'{self.path}' holds no '{_MODEL}': its training did not finish a phase. "
                "Delete the folder and train again."
            )
        try:
            description = json.loads((self.path / _DESCRIPTION).read_text(encoding="utf-8"))
            return _checked(description)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(
                f"'{self.path / _DESCRIPTION}' is damaged ({type(error).__name__}: {error})."
            ) from error

    def load_model(self):
        """The trained model.

        Raises:
            ValueError: if the file is damaged, or does not fit `run.json`.
        """
        import keras

        from keras_transfer.backbones.weights import check_finite
        from keras_transfer.heads import SoftmaxHead
        from keras_transfer.models import TransferModel

        description = self.description()
        try:
            model = keras.saving.load_model(self.path / _MODEL)
        except Exception as error:
            raise ValueError(
                f"'{self.path / _MODEL}' is damaged ({reason_of(error)})"
            ) from error
        if not isinstance(model, TransferModel) or not isinstance(model.heads, SoftmaxHead):
            raise ValueError(
                f"'{self.path / _MODEL}' is not the model of a run: a `TransferModel` with one "
                "`SoftmaxHead`."
            )
        check_finite(model, f"'{self.path / _MODEL}'")
        shapes = (model.input_shape[1:], model.output_shape[-1])
        described = (*description["image_size"], description["channels"])
        if shapes != (described, len(description["class_names"])):
            raise ValueError(
                f"'{_DESCRIPTION}' and '{_MODEL}' in '{self.path}' do not belong together: the "
                f"model takes {shapes[0]} and tells {shapes[1]} classes apart."
            )
        return model


def _is_no_obstacle(path):
    """Whether a file is what a killed process left, or what was found before the training."""
    return path.name.startswith((_LOCK, _ASIDE)) or path.name in names_of_findings()


def _differing(described, settings):
    """The settings that are not as described."""
    return [key for key, value in settings.items() if described.get(key) != value]


def _difference(described, settings):
    """The same as text: `seed: 0, now 1`."""
    pairs = {
        key: (described.get(key), settings[key]) for key in _differing(described, settings)
    }
    return "; ".join(
        f"another {key}" if dict in map(type, pair) else f"{key}: {pair[0]}, now {pair[1]}"
        for key, pair in pairs.items()
    )


def _checked(description):
    """The entries of a description that are read, if they are what they should be."""
    names, size, channels = (
        description[key] for key in ("class_names", "image_size", "channels")
    )
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("class_names is no list of names")
    if len(set(names)) < len(names):
        raise ValueError("class_names has a name twice")
    for name in names:
        name.encode()  # what JSON can hold need not be valid Unicode
    is_pair = isinstance(size, list) and [type(side) for side in size] == [int, int]
    if not is_pair or not all(0 < side < 2**31 for side in size):
        raise ValueError("image_size is no pair of integers")
    if type(channels) is not int:
        raise ValueError("channels is no integer")
    return {"class_names": names, "image_size": size, "channels": channels}
