"""The folder of a run: where each file lies, who may write, and what it was started with."""

import contextlib
import json
import math
import shutil

from keras_transfer._files import write_text_aside
from keras_transfer._records import check, read_json, read_table
from keras_transfer._text import no_run_message
from keras_transfer.data.image_splits import TASKS
from keras_transfer.plans import Plan
from keras_transfer.runs.file_forms import COURSE, DESCRIPTION, check_metrics
from keras_transfer.runs.output_folder import FINDINGS, SUFFIXES
from keras_transfer.runs.predictions import read_predictions, write_predictions
from keras_transfer.training.training_folder import TrainingFolder, differences

_DESCRIPTION, _MODEL, _PREDICTIONS = "run.json", "model.keras", "predictions.npz"
_COURSE, _HISTORY, _SECTION = "course.json", "history.csv", "run"
# Of the history: a larger number does not fit into a figure.
_LARGEST = 1e30
# Written at the end: a run without it is unfinished.
_METRICS, _PAGE = "metrics.json", "report.html"


class RunFolder(TrainingFolder):
    """All files of a run; `Run` and `fit` read and write them through this class only.

    Args:
        path: the folder.
        writes: whether this process writes in it. Of several workers the chief writes, and the
            folder is never an obstacle for the others. Defaults to True.
    """

    # Before the run.

    def check_free(self, settings):
        """Raises `FileExistsError` if the folder holds anything but this run, unfinished.

        Args:
            settings: what the run is started with, a dict.
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
        if (self.path / _METRICS).exists():
            raise FileExistsError(
                f"'{self.path}' holds a finished run; nothing was overwritten. Name a new "
                f"folder with --output. (`keras-transfer report {self.path}` writes its page "
                "again.)"
            )
        if self._has_saved_nothing():
            return
        started = self._started()
        if started is None:
            raise FileExistsError(
                f"'{self.path}' is not empty; nothing was overwritten. Name a new folder with "
                "--output."
            )
        raise FileExistsError(
            f"'{self.path}' holds an unfinished run with other settings "
            f"({differences(started, settings)}); nothing was overwritten. Use the same "
            "settings, or name a new folder with --output."
        )

    def _has_saved_nothing(self):
        """Whether a run began here and ended before it saved anything worth to keep."""
        is_run = self._started() is not None
        return is_run and not self.checkpoints.exist() and not self.model_path.exists()

    def lacks_page(self, settings):
        """Whether this run, with the same settings, has finished but for its page."""
        if not self.writes or not self.is_finished or (self.path / _PAGE).exists():
            return False
        found = self.description()
        return {**found, **json.loads(json.dumps(settings))} == found

    @property
    def serving(self):
        """The folder of the exported versions; a link, which may lead anywhere, is refused."""
        path = self.path / "serving"
        if path.is_symlink():
            raise ValueError(f"{path} is a link: remove it, or export to a path of your own")
        return path

    def is_unfinished(self, settings):
        """Whether this run was started with the same settings, and did not finish."""
        started = self._started()
        return started is not None and not differences(started, settings)

    def _started(self):
        if (self.path / _METRICS).exists():
            return None
        try:
            found = self.settings().get(_SECTION)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    @contextlib.contextmanager
    def begun(self, settings):
        """Takes the folder for a run, as `check_free` allows, and removes incomplete files.

        Raises:
            FileExistsError: if another process has taken it, or as `check_free` does.
        """
        self.check_free(settings)
        with self.taken():
            if self.writes:
                self.check_free(settings)  # another process may have finished its run meanwhile
                for left_over in self.path.glob(".writing-*"):
                    if left_over.is_dir():
                        shutil.rmtree(left_over)
                # Of the unfinished run: the next export would get another number.
                shutil.rmtree(self.serving, ignore_errors=True)
                if self._has_saved_nothing() and not self.is_unfinished(settings):
                    self.forget()  # it had other settings
                self.agree(_SECTION, settings)
            yield

    # What a run writes.

    def describe(self, values):
        """Writes `run.json`: the settings, the class names and the image size."""
        self._write_whole(_DESCRIPTION, values)

    def write_course(self, values):
        """Writes what happened in the training: a dict that JSON holds."""
        self._write_whole(_COURSE, values)

    def write_predictions(self, predictions):
        """Writes a list of `Predictions`, all or none."""
        write_predictions(self.path / _PREDICTIONS, predictions)

    def finish(self, metrics):
        """Writes `metrics.json`, which finishes the run."""
        self._write_whole(_METRICS, metrics)

    def remove_checkpoints(self):
        """Removes the checkpoints of a finished run."""
        shutil.rmtree(self.checkpoints.directory, ignore_errors=True)

    def _write_whole(self, name, values):
        text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
        write_text_aside(self.path / name, text)

    # What is read from it. A folder may come from elsewhere: nothing in it is trusted.

    @property
    def model_path(self):
        """The path of the model."""
        return self.path / _MODEL

    @property
    def is_finished(self):
        """Whether the run has finished."""
        return (self.path / _METRICS).is_file()

    def description(self):
        """The contents of `run.json`, with valid class names and image size.

        Raises:
            FileNotFoundError: if the folder holds no run, or one without a model.
            ValueError: if the file is corrupt.
        """
        path = self.path / _DESCRIPTION
        if not path.is_file():
            raise FileNotFoundError(no_run_message(self.path))
        if not self.model_path.is_file():
            raise FileNotFoundError(
                f"'{self.path}' has no '{_MODEL}': its training did not finish a phase. "
                "Run the same `keras-transfer fit` command again."
            )
        try:
            found = read_json(path)
            _check_description(found)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"'{path}' is corrupt ({type(error).__name__}: {error})."
            ) from error
        return found

    def metrics(self, task="classes"):
        """The contents of `metrics.json`.

        Args:
            task: what the run predicts: "classes", "labels" or "numbers".

        Raises:
            FileNotFoundError: if the run has not finished.
            ValueError: if the file is corrupt.
        """
        path = self.path / _METRICS
        if not path.is_file():
            raise FileNotFoundError(
                f"'{self.path}' holds an unfinished run: it has no '{_METRICS}'. The same "
                "`keras-transfer fit` command resumes it."
            )
        with _corrupt(path):
            found = read_json(path)
            check_metrics(found, task)
            return found

    def history(self):
        """A dict of column to its values, from `history.csv`.

        Raises:
            ValueError: if the file cannot be read.
        """
        path = self.path / _HISTORY
        with _corrupt(path):
            columns = read_table(path)
            return {
                name: texts if name == "phase" else [_number(text) for text in texts]
                for name, texts in columns.items()
            }

    def predictions(self):
        """A dict of split to `Predictions`; empty without the file.

        Raises:
            ValueError: if the file is corrupt.
        """
        path = self.path / _PREDICTIONS
        if not path.is_file():
            return {}
        with _corrupt(path):
            return read_predictions(path)

    def course(self):
        """What `write_course` wrote; an empty dict if the file is absent or corrupt."""
        try:
            found = read_json(self.path / _COURSE)
            check(found, COURSE)
        except (OSError, ValueError):
            return {}
        return found

    def recommended_plan(self, settings):
        """The `Plan` in `recommend.json`, if that is about the same images and network."""
        path = self.path / "recommend.json"
        found = _read_json(path)
        about = found.get("settings") if isinstance(found, dict) else None
        if not isinstance(about, dict) or {**settings, **about} != settings:
            return None
        return Plan.load(path)

    def findings(self):
        """A dict of command to the contents of its JSON file; None for a corrupt one."""
        paths = {name: self.path / f"{name}.json" for name in FINDINGS}
        contents = {name: _read_json(path) for name, path in paths.items() if path.exists()}
        return {
            name: found if isinstance(found, dict) else None for name, found in contents.items()
        }


def _is_no_obstacle(path):
    """Whether a file comes from a killed process, or from a look at the data."""
    findings = {f"{command}{suffix}" for command in FINDINGS for suffix in SUFFIXES}
    if path.name == "checkpoints":
        return path.is_dir() and all(child.name == ".lock" for child in path.iterdir())
    return path.name.startswith(".writing-") or path.name in findings


def _read_json(path):
    """The contents of a JSON file; None if it is absent, corrupt or not a regular file."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def _corrupt(path):
    """Names the file whose contents are wrong."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"'{path}' is corrupt ({error}).") from error


def kind_of(description):
    """What a run is of, as `ImageSplits.kind`; older versions knew images and texts."""
    older = "texts" if description["image_size"] is None else "images"
    return description.get("kind", older)


def _check_description(found):
    check(found, DESCRIPTION)
    names = found["class_names"]
    if found.get("task", "classes") not in TASKS:
        raise ValueError(f"task is not one of {TASKS}")
    has_images = kind_of(found).startswith("images")
    if has_images == (found["image_size"] is None):
        raise ValueError("kind and image_size do not fit")
    if len(set(names)) < len(names):
        raise ValueError("class_names has a name twice")
    for name in names:
        name.encode()  # JSON can hold what is not valid Unicode


def _number(text):
    """A number of the history, which may be NaN or infinite."""
    number = float(text)
    if _LARGEST < abs(number) < math.inf:
        raise ValueError(f"{number:g} is too large")
    return number
