"""Runs that predict several labels for each image."""

import numpy as np

from keras_transfer._text import text_table
from keras_transfer.calibration.label_measures import choose_threshold, per_label
from keras_transfer.calibration.temperature_scaling import (
    HIGHEST,
    LOWEST,
    temperature_of_logits,
)
from keras_transfer.heads import SigmoidHead
from keras_transfer.runs import label_page
from keras_transfer.runs.predicted_images import PredictedLabels
from keras_transfer.runs.run_figures import label_figure
from keras_transfer.runs.task import Task

# Images with a label, and without it, for the temperature of the label.
_FEWEST_TO_CALIBRATE = 25


class LabelTask(Task):
    """Any number of labels for each image, each with a probability of its own."""

    name = "labels"
    takes = frozenset({"threshold"})
    nouns = ("label", "labels")
    outputs = "probabilities"
    quality = "the measures are"
    is_folded = True
    best_epoch = "highest validation accuracy"
    kept_epoch = (
        "The accuracy is that of the single decisions, at a probability of 50%. The kept epoch "
        "is the latest one whose validation accuracy is within one standard error of the "
        "highest"
    )

    def head(self, splits, dropout):
        return SigmoidHead(len(splits.class_names), dropout=dropout)

    def is_head(self, head):
        return isinstance(head, SigmoidHead)

    def temperature(self, logits, labels):
        """For each label the best temperature; 1 if its images do not determine one."""
        if logits is None:
            return None
        columns = zip(np.asarray(logits, "float64").T, labels.astype(int).T, strict=True)
        found = [_temperature(*column) for column in columns]
        return None if all(one == 1 for one in found) else found

    def outputs_of(self, logits, temperature):
        from scipy.special import expit

        return expit(np.asarray(logits, "float64") / (temperature or 1.0))

    def chosen(self, predictions, names):
        for one in predictions:
            if one.split == "validation":
                return {"threshold": choose_threshold(one.labels, one.outputs)}
        return {"threshold": 0.5}

    def measure(self, predictions, names, model, chosen):
        threshold = chosen["threshold"]
        return per_label(
            predictions.labels, predictions.outputs, names, threshold, groups=predictions.groups
        ).to_json()

    def headlines(self, measured):
        names = ("mean_average_precision", "micro_f1")
        return {
            name.replace("_", " ").replace("f1", "F1"): (
                measured[name], measured["intervals"][name]
            )
            for name in names
            if measured[name] is not None and measured["intervals"].get(name)
        }  # fmt: skip

    def figures(self, measured, predictions, names):
        return {"average_precision.png": label_figure(measured)}

    def aligned(self, splits, split, names):
        unknown = [name for name in splits.class_names if name not in names]
        if splits.task != self.name or unknown:
            raise ValueError(
                f"The model knows the labels {', '.join(map(repr, names))}. Received: "
                f"{splits.task} {', '.join(map(repr, unknown or splits.class_names))}"
            )
        found = np.zeros((len(splits.labels[split]), len(names)), "float32")
        places = [names.index(name) for name in splits.class_names]
        found[:, places] = splits.labels[split]
        return found

    def predicted(self, paths, outputs, unreadable, run):
        return PredictedLabels(paths, outputs, run.class_names, unreadable, run.label_threshold)

    def line(self, measured):
        found = measured["mean_average_precision"]
        interval = _percent(measured["intervals"]["mean_average_precision"])
        return (
            f"mean average precision {_share(found)}{interval}, macro AUC "
            f"{_share(measured['macro_auc'])}; at the threshold {measured['threshold']:.2f}: "
            f"macro F1 {_share(measured['macro_f1'])}, micro F1 "
            f"{_share(measured['micro_f1'])}; {self.size(measured)}"
        )

    def table(self, measured, names):
        return text_table(label_page.rows_of(measured))

    def verdict(self, run, measured):
        return label_page.verdict(run, measured)

    def sections(self, run, images):
        return label_page.sections(run, images)

    def use(self, run):
        return (
            f"{run.things.capitalize()} like those of the training. The model gives each of "
            f"{self.counted(run.class_names)} a probability of its own, so one "
            f"{run.kind.thing} may get several of them, or none."
        )


def _temperature(logits, present):
    if min(present.sum(), len(present) - present.sum()) < _FEWEST_TO_CALIBRATE:
        return 1.0
    both = np.stack([np.zeros_like(logits), logits], axis=1)
    temperature = temperature_of_logits(both, present)
    return 1.0 if temperature in (LOWEST, HIGHEST) else temperature


def _share(value):
    return "-" if value is None else f"{value:.1%}"


def _percent(interval):
    return "" if interval is None else " (95% CI {:.1%} to {:.1%})".format(*interval)
