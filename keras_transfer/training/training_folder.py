"""The folder of a training: what it writes, and what it resumes from."""

import contextlib
import csv
import json
import pathlib

import keras

from keras_transfer._files import held, write_aside, write_text_aside
from keras_transfer._records import read_json
from keras_transfer._text import one_line, reason_of
from keras_transfer.features.digests import arrays_digest
from keras_transfer.features.observed_source import source_of
from keras_transfer.plans.plan import Plan
from keras_transfer.training.checkpoints import Checkpoints

_PLAN, _HISTORY, _MODEL = "plan.json", "history.csv", "model.keras"
_SETTINGS, _LOCK = "settings.json", ".lock"
_DIGEST_LENGTH = 16


class TrainingFolder:
    """`plan.json`, `history.csv`, `model.keras`, and a folder `checkpoints`.

    The folder belongs to one process at a time, and to one training: `agree` compares what it
    was started with.

    Args:
        directory: the folder; it is made if it does not exist.
        writes: whether this process writes in it. Of several workers the chief writes, and the
            others read. Defaults to True.
    """

    def __init__(self, directory, writes=True):
        self.path = pathlib.Path(directory)
        self.writes = writes
        self.checkpoints = Checkpoints(self.path / "checkpoints")

    @contextlib.contextmanager
    def taken(self):
        """Makes the folder, and keeps other processes out of it.

        Raises:
            FileExistsError: if another process is training in it.
            NotADirectoryError: if it is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(
                f"This must be a folder, but is a file. Received: {str(self.path)!r}"
            )
        if not self.writes:
            yield
            return
        self.checkpoints.directory.mkdir(parents=True, exist_ok=True)
        message = (
            f"Another process is training in '{self.path}'. Wait for it, or name another "
            "folder."
        )
        with held(self.checkpoints.directory / _LOCK, message):
            for left_over in self.path.rglob(".writing-*"):  # from a process that was killed
                if left_over.is_file():
                    left_over.unlink(missing_ok=True)
            yield

    def settings(self):
        """What the training was started with: a dict of section to settings.

        Raises:
            ValueError: if the file is corrupt.
        """
        try:
            found = read_json(self._settings_path)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self._unreadable(f"{type(error).__name__}: {error}") from error
        if not isinstance(found, dict) or not all(isinstance(s, dict) for s in found.values()):
            raise self._unreadable("not a JSON object of objects")
        return found

    def _unreadable(self, reason):
        return ValueError(
            f"'{self.path}' holds a training whose settings cannot be read ({reason}). Name "
            "another folder."
        )

    def agree(self, section, settings):
        """Compares settings with those that the training was started with.

        Args:
            section: whose settings they are; the first call with a section stores them.
            settings: a dict of strings to what JSON holds.

        Raises:
            ValueError: if they differ; the message names the differences.
        """
        sections = self.settings()
        if section not in sections:
            if self.checkpoints.exist():
                # Without them the checkpoints may be those of other images.
                raise self._unreadable(f"'{section}' is missing")
            if self.writes:
                self._write_json(self._settings_path, {**sections, section: settings})
            return
        changed = differences(sections[section], settings)
        if changed:
            raise ValueError(
                f"'{self.path}' holds a training that was started with other settings: "
                f"{changed}. Use the same settings, or name another folder."
            )

    def agreed_plan(self, choose):
        """The plan that the training was started with; the first call stores the chosen one.

        Args:
            choose: a function that returns a `Plan`.

        Raises:
            ValueError: if `plan.json` is missing, corrupt or not the one that was stored.
        """
        plan, path = self.plan(), self.path / _PLAN
        started = self.settings().get(_PLAN)
        if plan is None and started is not None and self.checkpoints.exist():
            raise ValueError(
                f"'{path}' is missing: the training in this folder follows it. Put it back, or "
                "name another folder."
            )
        changed = plan and started and differences(started, _as_json(plan.to_json()))
        if changed:
            raise ValueError(
                f"'{path}' is not the plan that the training in this folder follows: "
                f"{changed}. Undo the change, or name another folder."
            )
        plan = choose() if plan is None else plan
        if self.writes and (started is None or not path.exists()):
            self._write_json(path, plan.to_json())
            self._write_json(self._settings_path, {**self.settings(), _PLAN: plan.to_json()})
        return plan

    def forget(self):
        """Removes the settings and the plan of a training that has saved nothing."""
        for path in (self._settings_path, self.path / _PLAN):
            path.unlink(missing_ok=True)

    def plan(self):
        """The plan that the training was started with, or None.

        Raises:
            ValueError: if the file is corrupt.
        """
        try:
            return Plan.from_json(read_json(self.path / _PLAN))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"'{self.path / _PLAN}' cannot be read ({type(error).__name__}: "
                f"{reason_of(error)})."
            ) from error

    def write_results(self, model, history):
        """Writes the model, and a row for each epoch with its phase."""
        if self.writes:
            write_aside(self.path / _HISTORY, lambda aside: _write_csv(history, aside))
            self.write_model(model)

    def write_model(self, model):
        """Writes the model."""
        write_aside(self.path / _MODEL, model.save)

    def _write_json(self, path, values):
        write_text_aside(path, json.dumps(values, indent=2) + "\n")

    @property
    def _settings_path(self):
        return self.checkpoints.directory / _SETTINGS


def _write_csv(history, path):
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["epoch", "phase", *history.history])
        columns = zip(history.epoch, history.phase, *history.history.values(), strict=True)
        rows.writerows(columns)


def differences(before, now):
    """The settings that changed, as text; "" if none did."""
    found = []
    for name in sorted(before.keys() | now.keys()):
        pair = before.get(name), now.get(name)
        if pair[0] != pair[1] and all(map(_is_flat, pair)):
            found.append(differences(*pair))
        elif pair[0] != pair[1]:
            is_long = any("{" in str(value) for value in pair)
            shown = "{!s:.200}, now {!s:.200}".format(*pair)
            found.append(f"another {name}" if is_long else f"{name}: {shown}")
    return one_line("; ".join(found))


def _is_flat(value):
    return isinstance(value, dict) and not {dict, list} & set(map(type, value.values()))


def settings_of(model, data, plan, time_budget, class_weight, observe):
    """The settings that decide the result of a training.

    Args:
        model: a `TransferModel` before the training.
        data: a dict of split to `tf.data.Dataset` or None.
        plan: the `Plan` that was passed, "auto" or None.
        time_budget: as passed, or None.
        class_weight: as in `fit`, or None.
        observe: whether to read data sets that do not know what they hold.

    Returns:
        A dict of strings to what JSON holds.
    """
    weights = [keras.ops.convert_to_numpy(weight) for weight in model.backbone.weights]
    settings = {
        "backbone": f"{model.backbone.count_params()} parameters, digest "
        f"{arrays_digest(weights)[:_DIGEST_LENGTH]}",
        "heads": keras.saving.serialize_keras_object(model.heads),
        "plan": plan if isinstance(plan, str) else plan and plan.to_json(),
        "class names": model.class_names,
        "time budget": time_budget,
        "class weights": class_weight
        and {str(label): float(weight) for label, weight in class_weight.items()},
    }
    for split, dataset in data.items():
        settings[f"{split} images"] = dataset and _describe(dataset, observe)
    return _as_json(settings)


def _as_json(values):
    return json.loads(json.dumps(values))


def _describe(dataset, observe):
    source = source_of(dataset) if observe else getattr(dataset, "source", None)
    if source is None:
        return f"{int(dataset.cardinality())} batches of unknown content"
    parts = [f"{source.num_images}", f"in batches of {source.batch_size}"]
    if source.fingerprint is not None:
        parts.append(f"digest {source.fingerprint[:_DIGEST_LENGTH]}")
    if source.augmentation is not None:
        parts.append(f"augmentation {source.augmentation.fingerprint[:_DIGEST_LENGTH]}")
    return ", ".join(parts)
