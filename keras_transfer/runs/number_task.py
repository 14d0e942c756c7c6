"""Runs that predict numbers for each image."""

import numpy as np

from keras_transfer._text import text_table
from keras_transfer.calibration.number_measures import per_number
from keras_transfer.heads import DenseHead, SigmoidHead, SoftmaxHead
from keras_transfer.models.regression import scaled_layers
from keras_transfer.runs import number_page
from keras_transfer.runs.predicted_images import PredictedNumbers
from keras_transfer.runs.run_figures import number_figure
from keras_transfer.runs.task import Task


class NumberTask(Task):
    """One or more numbers for each image, in their own units."""

    name = "numbers"
    nouns = ("number", "numbers")
    outputs = "values"
    quality = "the errors are"
    is_folded = True
    best_epoch = "lowest validation loss"
    kept_epoch = (
        "The loss is the squared error divided by the variance of the training targets: 1 is "
        "that of always predicting their mean. The kept epoch has the lowest validation loss"
    )

    def head(self, splits, dropout):
        return DenseHead(len(splits.class_names), dropout=dropout)

    def is_head(self, head):
        return isinstance(head, DenseHead) and not isinstance(head, (SigmoidHead, SoftmaxHead))

    def measure(self, predictions, names, model, chosen):
        baseline = np.asarray(scaled_layers(model)[None].mean)
        return per_number(
            predictions.labels, predictions.outputs, names, baseline, groups=predictions.groups
        ).to_json()

    def headlines(self, measured):
        return {
            f"mean absolute error of '{name}'": (one["mae"], one["mae_interval"])
            for name, one in measured["numbers"].items()
        }

    def figures(self, measured, predictions, names):
        return {"predicted_numbers.png": number_figure(predictions, names)}

    def aligned(self, splits, split, names):
        if splits.task != self.name or set(splits.class_names) != set(names):
            raise ValueError(
                f"The model predicts the numbers {', '.join(map(repr, names))}. Received: "
                f"{splits.task} {', '.join(map(repr, splits.class_names))}"
            )
        order = [splits.class_names.index(name) for name in names]
        return np.array(splits.labels[split], "float32")[:, order]

    def predicted(self, paths, outputs, unreadable, run):
        return PredictedNumbers(paths, outputs, run.class_names, unreadable)

    def line(self, measured):
        found = [number_page.line_of(*one) for one in measured["numbers"].items()]
        return f"{'; '.join(found)}; {self.size(measured)}"

    def table(self, measured, names):
        return text_table(number_page.rows_of(measured))

    def verdict(self, run, measured):
        return number_page.verdict(run, measured)

    def sections(self, run, images):
        return number_page.sections(run, images)

    def use(self, run):
        return (
            f"{run.things.capitalize()} like those of the training. The model predicts "
            f"{self.counted(run.class_names)} for every {run.kind.thing}, also for one that "
            "shows nothing of the kind, and does not say how uncertain it is."
        )
