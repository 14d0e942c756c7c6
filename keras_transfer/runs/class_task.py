"""Runs that predict one class for each image."""

import numpy as np

from keras_transfer._statistics.probabilities import softmax
from keras_transfer._text import one_line, text_table
from keras_transfer.calibration.measures import confusion_table, measure
from keras_transfer.calibration.temperature_scaling import (
    HIGHEST,
    LOWEST,
    temperature_of_logits,
)
from keras_transfer.data.image_splits import check_known
from keras_transfer.heads import SoftmaxHead
from keras_transfer.runs import class_page
from keras_transfer.runs.predicted_images import PredictedImages
from keras_transfer.runs.run_figures import confusion_figure
from keras_transfer.runs.task import Task

# With fewer validation images a fitted temperature is mostly noise.
_FEWEST_TO_CALIBRATE = 50


class ClassTask(Task):
    """One class for each image."""

    name = "classes"
    takes = frozenset({"top", "threshold"})
    nouns = ("class", "classes")
    outputs = "probabilities"
    quality = "the accuracy is"
    is_audited = is_folded = True
    best_epoch = "highest validation accuracy"
    kept_epoch = (
        "The kept epoch is the latest one whose validation accuracy is within one standard "
        "error of the highest"
    )

    def head(self, splits, dropout):
        return SoftmaxHead(len(splits.class_names), dropout=dropout)

    def is_head(self, head):
        return isinstance(head, SoftmaxHead)

    def temperature(self, logits, labels):
        if logits is None or len(logits) < _FEWEST_TO_CALIBRATE:
            return None
        temperature = temperature_of_logits(logits, labels)
        return None if temperature in (LOWEST, HIGHEST) else temperature

    def outputs_of(self, logits, temperature):
        return softmax(np.asarray(logits, "float64") / (temperature or 1.0))

    def measure(self, predictions, names, model, chosen):
        return measure(predictions.outputs, predictions.labels, names, predictions.groups)

    def headlines(self, measured):
        return {"accuracy": (measured["accuracy"], measured["accuracy_interval"])}

    def figures(self, measured, predictions, names):
        return {"confusion_matrix.png": confusion_figure(measured["confusion"], names)}

    def aligned(self, splits, split, names):
        check_known(splits.class_names, names)
        number = {name: index for index, name in enumerate(names)}
        return [number[splits.class_names[label]] for label in splits.labels[split]]

    def predicted(self, paths, outputs, unreadable, run):
        return PredictedImages(paths, outputs, run.class_names, unreadable)

    def line(self, measured):
        low, high = measured["accuracy_interval"]
        return (
            f"accuracy {measured['accuracy']:.1%} (95% CI {low:.1%} to {high:.1%}, "
            f"{self.size(measured)})"
        )

    def table(self, measured, names):
        return confusion_table(measured["confusion"], names)

    def evaluation(self, measured, names):
        rows = [("class", "examples", "precision", "recall")]
        for name, values in measured["classes"].items():
            shares = (values["precision"], values["recall"])
            texts = ("-" if share is None else f"{share:.1%}" for share in shares)
            rows.append((one_line(name), str(values["images"]), *texts))
        line = f"{self.line(measured)}, loss {measured['loss']:.3f}"
        parts = [line, text_table(rows), self.table(measured, names)]
        if "hierarchy" in measured:
            parts.append(measured["hierarchy"]["conclusion"])
        return "\n\n".join(parts)

    def verdict(self, run, measured):
        return class_page.verdict(run, measured)

    def sections(self, run, images):
        return class_page.sections(run, images)

    def use(self, run):
        return (
            f"Classification of {run.things} like those of the training into "
            f"{self.counted(run.class_names)}. The model assigns one class to every "
            f"{run.kind.thing}, also to one of none or several of them."
        )
