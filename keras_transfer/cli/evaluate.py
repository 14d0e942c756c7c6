"""`keras-transfer evaluate`."""

import numpy as np

from keras_transfer import data
from keras_transfer._text import one_line, tell_unreadable
from keras_transfer.calibration.measures import confusion_table, measure
from keras_transfer.cli.run_folder import RunFolder


def run(options):
    """Prints accuracy, each class's precision and recall, and the confusion table."""
    run_folder = RunFolder(options.run)
    description = run_folder.description()
    splits = data.image_folder(
        options.data,
        image_size=tuple(description["image_size"]),
        batch_size=options.batch_size,
        validation_split=None,
        on_unreadable=options.on_unreadable,
        shuffle=False,
    )
    tell_unreadable(splits)
    class_names = description["class_names"]
    split = next(name for name in ("test", "validation", "train") if name in splits.labels)
    dataset = splits.train_in_order if split == "train" else getattr(splits, split)
    labels = _as_labels_of_run(splits, split, class_names, options.data)
    probabilities = run_folder.load_model().predict(dataset, verbose=0)
    measured = measure(np.asarray(probabilities), labels, class_names)
    print(
        f"accuracy {measured['accuracy']:.1%} of {measured['images']} pictures, "
        f"loss {measured['loss']:.3f}\n"
    )
    print(_class_table(measured["classes"]))
    print("\n" + confusion_table(measured["confusion"], class_names))


def _as_labels_of_run(splits, split, class_names, directory):
    unknown = [name for name in splits.class_names if name not in class_names]
    if unknown:
        raise ValueError(
            f"The model does not know the classes {', '.join(map(repr, unknown))} of "
            f"'{directory}'. It knows {', '.join(map(repr, class_names))}."
        )
    of_name = {name: index for index, name in enumerate(class_names)}
    return [of_name[splits.class_names[label]] for label in splits.labels[split]]


def _class_table(classes):
    classes = {one_line(name): values for name, values in classes.items()}
    width = max(len(name) for name in [*classes, "class"])
    lines = [f"{'class':<{width}}  pictures  precision  recall"]
    for name, values in classes.items():
        precision, recall = (_percent(values[key]) for key in ("precision", "recall"))
        lines.append(f"{name:<{width}}  {values['images']:>8}  {precision:>9}  {recall:>6}")
    return "\n".join(lines)


def _percent(value):
    return "-" if value is None else f"{value:.1%}"
