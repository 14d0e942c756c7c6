"""Runs on examples that are held in memory: texts, rows of a table, sounds."""

import dataclasses
import os
import pathlib

import numpy as np

from keras_transfer.backbones import Backbone, MelSpectrogram
from keras_transfer.data.audio_folders import SOUND_SUFFIXES, padded, read_sound
from keras_transfer.data.columns import arrays_of, cells_to_predict
from keras_transfer.data.metadata import csv_rows
from keras_transfer.data.sources import is_table
from keras_transfer.data.text_folders import read_text
from keras_transfer.data.text_tables import text_column
from keras_transfer.freezing import FreezeAll, FreezeNone
from keras_transfer.heads import TextConvHead
from keras_transfer.plans import Phase, Plan
from keras_transfer.plans.chooser import scratch_phase
from keras_transfer.runs.kind import OF_CSV, OF_FOLDERS, Kind, NotTakenError, listed, predicted
from keras_transfer.runs.networks import NEW, build_preset, build_vectors
from keras_transfer.runs.references import references_of_table

# The default of `fit`, which a table has no use for.
_DEFAULT = "MobileNetV2"
_SAMPLE_RATE, _SECONDS = 16_000, 1.0
# As measured on the census, with 100 rows of the target: `benchmarks`, suite `inputs`.
_TRANSFER_EPOCHS, _TRANSFER_RATE = 10, 1e-4
# With frozen word vectors, and with trained ones.
_WORD_EPOCHS, _WORD_RATE = (20, 10), 1e-3
_ABSENT = "there is no such file. To predict the name itself as a text, put a space before it"


class TextKind(Kind):
    """Texts."""

    name = "texts"
    takes = OF_CSV | OF_FOLDERS | {
        "text", "vectors", "sequence_length", "truncate_at", "on_unreadable", "labels",
        "images",
    }  # fmt: skip
    thing, word, taken = "text", "TEXT", "texts"
    wanted = (
        "For texts name a preset of KerasHub or a directory of Hugging Face (--backbone "
        "DIRECTORY), or word vectors (--vectors FILE)."
    )

    def network(self, choice, splits, shape):
        texts = splits.texts["train"]
        if choice.vectors is not None:
            return build_vectors(choice.vectors, texts, choice.sequence_length)
        if choice.is_application:
            raise ValueError(
                f"The network '{choice.name}' takes images, and the data are texts. "
                f"{self.wanted}"
            )
        return build_preset(choice.name, texts, choice.sequence_length)

    def head(self, task, splits, dropout, choice):
        if choice.vectors is None:
            return super().head(task, splits, dropout, choice)
        return TextConvHead(len(splits.class_names))

    def plan(self, choice, splits, batch_size):
        return None if choice.vectors is None else _plan_of_words()

    def predict(self, run, given):
        found, unreadable = [], []
        for number, one in enumerate(listed(given), 1):
            for name, text, reason in _texts_in(str(one), f"Text {number}", run):
                if reason is None:
                    found.append((name, text))
                else:
                    unreadable.append((name, reason))
        texts = np.array([text for _, text in found], object)
        return predicted(run, [name for name, _ in found], texts, unreadable)


class RowKind(Kind):
    """Rows of a table."""

    name = "rows"
    takes = OF_CSV | {"inputs", "truncate_at"}
    thing, word, taken = "row", "FILE.csv", "rows"
    wanted = (
        "For a table name an earlier run on the same columns (--backbone RUN), or no network: "
        "one with random weights is made."
    )

    def named(self, choice):
        is_default = not choice.given and choice.name == _DEFAULT
        return dataclasses.replace(choice, backbone=NEW) if is_default else choice

    def network(self, choice, splits, shape):
        if choice.name != NEW:
            raise ValueError(
                f"'{choice.name}' is no run on a table. {self.wanted} "
                f"Received: backbone={choice.name!r}"
            )
        return Backbone.from_table(splits.columns["train"])

    def reading(self, backbone, channels=None, model=None):
        """The columns that a network takes, as it takes them."""
        if backbone is None or model is not None:
            return {}
        return {
            "inputs": {
                one.name: "categories" if one.dtype == "string" else "numbers"
                for one in backbone.inputs
            }
        }

    def model(self, backbone, head, truncate_at, choice, splits):
        if self._is_continued(choice, splits):
            if truncate_at is not None:
                raise NotTakenError(
                    "The classes are those of the source, so its whole model continues: leave "
                    f"`truncate_at` (--truncate-at) out. Received: truncate_at={truncate_at!r}"
                )
            return choice.source.copy()
        return super().model(backbone, head, truncate_at, choice, splits)

    def plan(self, choice, splits, batch_size):
        if self._is_continued(choice, splits):
            reason = (
                "The classes are those of the source: its whole model continues, at a small "
                "learning rate."
            )
            phase = Phase(FreezeNone(), _TRANSFER_EPOCHS, _TRANSFER_RATE, name="fine-tuning")
            return Plan([phase], [reason])
        if choice.transferred() is not None:
            return None
        reason = "The network of a table starts from random weights: all of it is trained."
        return Plan([scratch_phase(splits.num_images["train"], batch_size)], [reason])

    def _is_continued(self, choice, splits):
        """Whether the source predicts the same classes from the same columns."""
        names = getattr(choice.source, "class_names", None)
        return bool(names) and tuple(names) == tuple(splits.class_names)

    def references(self, before, heads, splits, own, cache, choice):
        source = choice.source if self._is_continued(choice, splits) else None
        return references_of_table(splits, own, source)

    def predict(self, run, given):
        files = listed(given)
        names, cells, unreadable = [], [], []
        for file in files:
            rows, wrong = cells_to_predict(csv_rows(file, {}), run.columns, file)
            cells += [row for _, row in rows]
            names += [f"{os.path.basename(file)}:{number}" for number, _ in rows]
            unreadable += wrong
        return predicted(run, names, arrays_of(cells, run.columns), unreadable)

    def described(self, run):
        return f"rows of {len(run.columns)} columns"

    def usage(self, run):
        sentence = f"The model takes a dict of columns: {', '.join(run.columns)}."
        return sentence, "a dict of columns, each of shape (n, 1)"


class SoundKind(Kind):
    """Sounds."""

    name = "sounds"
    takes = OF_FOLDERS | {
        "truncate_at", "time_budget", "on_unreadable", "labels", "images", "targets", "task",
    }  # fmt: skip
    thing, word, taken = "sound", "SOUND", "sounds"
    wanted = "For sounds name a network of sounds (--backbone speech.onnx)."

    def ready_network(self, choice):
        if choice.is_onnx:
            return Backbone.from_onnx(choice.name, MelSpectrogram())
        found = choice.transferred()
        if found is None:
            raise ValueError(
                f"The data are sounds, and '{choice.name}' is no network of sounds. "
                f"{self.wanted} Received: backbone={choice.name!r}"
            )
        return found

    def reading(self, backbone, channels=None, model=None):
        return {"sounds": {"seconds": _seconds(backbone), "sample_rate": _SAMPLE_RATE}}

    def predict(self, run, given):
        num_samples = round(_seconds(run.model.backbone) * _SAMPLE_RATE)
        names, sounds, unreadable = [], [], []
        for path in _sounds_in(given):
            try:
                sounds.append(padded(read_sound(path, _SAMPLE_RATE), num_samples))
                names.append(path)
            except (OSError, ValueError) as error:
                unreadable.append((path, str(error)))
        return predicted(run, names, np.array(sounds, "float32"), unreadable)

    def described(self, run):
        return f"sounds of {_seconds(run.model.backbone):g} s"

    def usage(self, run):
        sentence = f"The model takes {self.described(run)}, {_SAMPLE_RATE:,} samples a second."
        return sentence, "(n, samples) in [-1, 1]"


def _plan_of_words():
    """The convolutions of the head, then the vectors too."""
    phases = [
        Phase(FreezeAll(), _WORD_EPOCHS[0], _WORD_RATE, weight_decay=0.0, name="head"),
        Phase(FreezeNone(), _WORD_EPOCHS[1], _WORD_RATE, weight_decay=0.0, name="fine-tuning"),
    ]
    reason = (
        "The head has convolutions of its own, which learn while the word vectors are frozen; "
        "then the vectors train with it."
    )
    return Plan(phases, [reason])


def _seconds(backbone):
    """The length of the sounds of a network."""
    num_samples = backbone.inputs[0].shape[1]
    return _SECONDS if num_samples is None else num_samples / _SAMPLE_RATE


def _texts_in(given, place, run):
    """A text, or those of a file or a folder: triples of a name, a text, and why it is none."""
    if is_table(given) and os.path.isfile(given):
        column = run.settings.get("text")
        rows = csv_rows(given, {"text": [column] if column else []})
        column = column or text_column(rows, given)
        texts = [row.get(column) or "" for row in rows]
        return [_named(text, f"Row {n} of '{given}'") for n, text in enumerate(texts, 2)]
    # `os.path`, because `pathlib` raises an error about names that are too long.
    if os.path.isdir(given):
        files = sorted(map(os.fspath, pathlib.Path(given).rglob("*.txt")))
        if not files:
            raise ValueError(f"There are no .txt files in the folder '{given}'.")
        return [_read(file) for file in files]
    if os.path.isfile(given) and os.path.splitext(given)[1]:
        return [_read(given)]
    is_name = is_table(given) or given.lower().endswith(".txt")
    if is_name and given.split() == [given]:
        return [(given, "", _ABSENT)]
    return [_named(given, place)]


def _named(text, place):
    """A text, which names itself; one without a word is named by its place."""
    return (text, text, None) if text.strip() else (place, text, "has no text")


def _read(file):
    try:
        return file, read_text(pathlib.Path(file)), None
    except (OSError, ValueError) as error:
        return file, "", str(error)


def _sounds_in(given):
    """The files, and in place of each folder the sounds in it."""
    for path in listed(given):
        if not os.path.isdir(path):
            yield os.fspath(path)
            continue
        found = sorted(
            os.fspath(file)
            for file in pathlib.Path(path).rglob("*")
            if file.suffix.lower() in SOUND_SUFFIXES
        )
        if not found:
            raise ValueError(f"There are no sounds in the folder '{path}'.")
        yield from found
