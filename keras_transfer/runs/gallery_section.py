"""The section with images: the worst mistakes, each confusion, and a sample of each class."""

import collections

import numpy as np

from keras_transfer.calibration.measures import confused_classes, worst_mistakes
from keras_transfer.data.image_files import read_images
from keras_transfer.explanations.grad_cams import grad_cam
from keras_transfer.explanations.stage_grids import has_grid
from keras_transfer.runs import blocks
from keras_transfer.runs.recorded_findings import label_errors

# Images of a page: of mistakes with Grad-CAM, of unsure ones, of all confusions and of one, of
# all classes.
_MOST_MISTAKES, _MOST_UNSURE, _MOST_CONFUSED, _EACH, _MOST_SAMPLED = 12, 10, 84, 6, 112
# A model that is so sure of another class makes the label doubtful.
_SURE = 0.95
# Folded blocks below each other; more are folded together.
_MOST_FOLDED = 15


class Gallery:
    """The images of the measured split that a page shows.

    Args:
        run: a `Run`.
        images: its `RunImages`.

    Attributes:
        confusions: dict from `(true class, predicted class)` to the images that are shown.
        samples: dict from a class to the images that are shown.
    """

    def __init__(self, run, images):
        self._run, self._images = run, images
        self._found = run.predictions.get(run.measured)
        self._suspected = {one["name"]: one["suggested"] for one in label_errors(run)}
        self.confusions, self.samples = {}, {}
        if self._found is None or not self._found.paths:
            return
        self._predicted = self._found.outputs.argmax(axis=1)
        self._thumbnails = {}
        self.confusions = dict(self._shown_confusions())
        self.samples = dict(self._shown_samples())

    def confusion_target(self, true, predicted):
        """The id of the images of a confusion, or None."""
        return f"confusion-{true}-{predicted}" if (true, predicted) in self.confusions else None

    def sample_target(self, label):
        """The id of the images of a class, or None."""
        return f"class-{label}" if label in self.samples else None

    def section(self):
        """The section; None without predictions for image files."""
        if self._found is None or not self._found.paths:
            return None
        if not self.confusions and not self.samples:
            note = (
                "The images are not shown: they are no longer at their paths, or these lie "
                "outside the folder that the run names."
            )
            return blocks.section("gallery", "Images", [blocks.text(note, "soft")])
        split, total = self._found.split, len(self._found.labels)
        wrong = int((~self._found.correct).sum())
        note = f"{wrong} of {total} {split} images are misclassified."
        if not wrong:
            note = f"All {total} {split} images are classified correctly."
        found = [blocks.text(note, None if wrong else "good")]
        return blocks.section(
            "gallery",
            f"Images ({split} set)",
            [*found, *self._worst(), *self._unsure(), *self._confused(), *self._sampled()],
        )

    def _worst(self):
        mistaken = worst_mistakes(self._found.outputs, self._found.labels, 2 * _MOST_MISTAKES)
        shown = [one.index for one in mistaken if self._thumbnail(one.index)][:_MOST_MISTAKES]
        if not shown:
            return
        entries = list(map(self._entry, shown))
        note = f"The {len(shown)} with the lowest probability of the true class."
        # A map needs the image alone.
        if not self._run.columns and has_grid(self._run.model.backbone):
            entries = self._with_maps(shown)
            note = (
                f"The {len(entries)} with the lowest probability of the true class. The map "
                "beside each image (Grad-CAM) is bright (yellow) where the image supports the "
                "predicted class, and dark where it does not."
            )
        if entries:
            yield blocks.heading("Worst mistakes")
            yield blocks.text(note, "soft")
            yield blocks.gallery(entries)

    def _with_maps(self, shown):
        """The entries of images with maps of what supports their predicted classes."""
        pixels, shown = self._pixels(shown)
        if not shown:
            return []
        maps = grad_cam(
            self._run.model, pixels, class_index=[int(self._predicted[i]) for i in shown]
        )
        entries = []
        for index, image, heat in zip(shown, pixels, maps, strict=True):
            entry = self._entry(index)
            predicted = self._run.class_names[self._predicted[index]]
            overlay = blocks.thumbnail(blocks.with_heat(image, heat))
            entry["pictures"].append((overlay, f"Grad-CAM of the class {predicted}"))
            entries.append(entry)
        return entries

    def _unsure(self):
        order = np.argsort(self._found.outputs.max(axis=1), kind="stable")
        shown = self._first_readable(order, _MOST_UNSURE)
        if shown:
            yield blocks.heading("Unsure: the lowest confidence")
            yield blocks.gallery(list(map(self._entry, shown)))

    def _pixels(self, indices):
        """The images as the model takes them, and the indices of those that can be read."""
        by_path = {str(self._images.path_of(self._found.paths[i])): i for i in indices}
        dataset, readable, _ = read_images(
            list(by_path), self._run.image_size, self._run.settings["channels"]
        )
        pixels = np.concatenate(list(dataset)) if readable else None
        return pixels, [by_path[path] for path in readable]

    def _confused(self):
        if not self.confusions:
            return
        yield blocks.heading("Confusions, the most common first")
        counts = collections.Counter(
            zip(self._found.labels.tolist(), self._predicted.tolist(), strict=True)
        )
        names, sizes = self._run.class_names, np.bincount(self._found.labels)
        found = []
        for (true, predicted), shown in self.confusions.items():
            number = counts[true, predicted]
            rest = f", {len(shown)} shown" if len(shown) < number else ""
            found.append(
                blocks.folded(
                    f"{names[true]} as {names[predicted]}: {number} of {sizes[true]}{rest}",
                    [blocks.gallery(list(map(self._entry, shown)))],
                    self.confusion_target(true, predicted),
                )
            )
        yield from _first_of(found, "less common confusions")

    def _sampled(self):
        if not self.samples:
            return
        yield blocks.heading("Right: a typical image of each class")
        right = [shown[0][1] for shown in self.samples.values() if shown[0][0] == "right"]
        yield blocks.gallery(list(map(self._entry, right[:_MOST_MISTAKES])))
        yield blocks.heading("A sample of each class: right, unsure, wrong")
        found = [
            blocks.folded(
                self._run.class_names[label],
                [blocks.gallery([self._entry(index, kind) for kind, index in shown])],
                self.sample_target(label),
            )
            for label, shown in self.samples.items()
        ]
        yield from _first_of(found, "classes with a higher recall")

    def _shown_confusions(self):
        left = _MOST_CONFUSED
        counts = self._run.metrics[self._run.measured]["confusion"]
        for true, predicted, _ in confused_classes(counts):
            is_of_pair = (self._found.labels == true) & (self._predicted == predicted)
            shown = self._first_readable(np.flatnonzero(is_of_pair), min(_EACH, left))
            left -= len(shown)
            if shown:
                yield (true, predicted), shown
            if not left:
                return

    def _shown_samples(self):
        """For each class, the worst first, `(kind, index)` of a few images."""
        recall = self._run.metrics[self._run.measured]["classes"]
        names = self._run.class_names
        present = [label for label in range(len(names)) if recall[names[label]]["images"]]
        present.sort(key=lambda label: recall[names[label]]["recall"])
        each = min(4, max(1, _MOST_SAMPLED // max(1, len(present))))
        for label in present[:_MOST_SAMPLED]:
            shown = list(self._sample_of(label))[:each]
            if shown:
                yield label, shown

    def _sample_of(self, label):
        of_label = np.flatnonzero(self._found.labels == label)
        order = of_label[np.argsort(-self._found.outputs[of_label, label], kind="stable")]
        right = order[self._found.correct[order]]
        wrong = order[~self._found.correct[order]]
        candidates = (
            # A typical one: the surest are often alike.
            ("right", right[len(right) // 4 :]), ("wrong", wrong),
            ("right, the least sure", right[len(right) // 4 + 1 :][::-1]),
            ("right, the surest", right[: len(right) // 4]),
        )  # fmt: skip
        for kind, indices in candidates:
            for index in self._first_readable(indices, 1):
                yield kind, index

    def _first_readable(self, indices, number):
        """The first images that can be shown; gives up after some that cannot."""
        shown = []
        for index in indices[: number + _EACH].tolist():
            if len(shown) < number and self._thumbnail(index):
                shown.append(index)
        return shown

    def _thumbnail(self, index):
        if index not in self._thumbnails:
            image = self._images.open(self._found.paths[index], blocks.SIDE)
            self._thumbnails[index] = image and blocks.thumbnail(image)
        return self._thumbnails[index]

    def _entry(self, index, kind=None):
        names, probabilities = self._run.class_names, self._found.outputs[index]
        true, predicted = int(self._found.labels[index]), int(self._predicted[index])
        lines = [f"{names[predicted]} {probabilities[predicted]:.0%}"]
        if true != predicted:
            lines.append(f"label: {names[true]} {probabilities[true]:.1%}")
        if kind is not None:
            lines.append(kind)
        return {
            "pictures": [(self._thumbnail(index), names[true])],
            "lines": lines,
            "name": self._images.name_of(self._found.paths[index]),
            "mark": self._mark(index, true, predicted),
        }

    def _mark(self, index, true, predicted):
        suggested = self._suspected.get(self._found.paths[index])
        if suggested is not None:
            return f"suspected label: the audit suggests {suggested}"
        if true != predicted and self._found.outputs[index, predicted] >= _SURE:
            return "suspected label: the model is sure of another class"
        return None


def _first_of(found, others):
    """The first blocks, and one block that holds the others."""
    yield from found[:_MOST_FOLDED]
    if rest := found[_MOST_FOLDED:]:
        yield blocks.folded(f"{len(rest)} {others}", rest)
