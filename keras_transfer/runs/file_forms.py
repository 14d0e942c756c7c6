"""What the files of a run hold, for `_records.check`; keys of other versions may stand."""

from keras_transfer._records import COUNT, FINITE, SECONDS, SHARE, Each, Maybe, Number, check

_SIDE = Number(1, 2**31 - 1, whole=True)
DESCRIPTION = {
    "class_names": [str], "image_size": Maybe((_SIDE, _SIDE)),
    "channels": Maybe(Number(1, 1000, whole=True)), "text?": Maybe(str),
    "sequence_length?": Maybe(COUNT),
    "backbone?": str, "data?": Maybe(str), "weights?": Maybe(str), "task?": str,
    "labels?": Maybe(str), "images?": Maybe(str), "targets?": Maybe([str]),
    "given_task?": Maybe(str),
    "truncate_at?": Maybe(str), "alpha?": Maybe(FINITE), "seed?": Number(0, 2**32, whole=True),
    "value_range?": Maybe(FINITE), "metadata?": Maybe(str), "group?": Maybe(str),
    "exclude?": Maybe(str), "class_hierarchy?": dict, "fold?": Maybe((COUNT, COUNT)),
    "masks?": Maybe(str), "boxes?": Maybe(str), "box_format?": Maybe(str),
    "classes?": Maybe(str), "ignore_class?": Maybe(COUNT), "ignored?": Maybe(COUNT),
    "kind?": str, "columns?": Each(str),
}  # fmt: skip
_SIZE = {"images": COUNT, "groups?": COUNT}
_RATE = {
    "images": COUNT, "recall": Maybe(SHARE), "precision": Maybe(SHARE),
    "recall_interval?": Maybe((SHARE, SHARE)), "precision_interval?": Maybe((SHARE, SHARE)),
}  # fmt: skip
_MEASURED = {
    **_SIZE, "accuracy": SHARE, "accuracy_interval": (SHARE, SHARE), "loss?": FINITE,
    "confusion": [[COUNT]], "classes": Each(_RATE),
}  # fmt: skip
_PAIR = Maybe((SHARE, SHARE))
_LABEL = {
    "images": COUNT, "average_precision": Maybe(SHARE), "average_precision_interval": _PAIR,
    **dict.fromkeys(("auc", "precision", "recall", "f1"), Maybe(SHARE)),
}  # fmt: skip
_MEANS = ("mean_average_precision", "macro_auc", "macro_f1", "micro_f1")
_LABELS = {
    **_SIZE, "threshold": SHARE, "chance": SHARE, "always": Maybe(SHARE),
    **dict.fromkeys(_MEANS, Maybe(SHARE)), "intervals": dict.fromkeys(_MEANS, _PAIR),
    "labels": Each(_LABEL),
}  # fmt: skip
_NUMBER = {
    **dict.fromkeys(("mae", "rmse", "baseline_mae", "baseline_rmse", "bias"), FINITE),
    **dict.fromkeys(("half_within", "most_within"), FINITE), "r2": Maybe(FINITE),
    **dict.fromkeys(("mae_interval", "rmse_interval"), Maybe((FINITE, FINITE))),
    "r2_interval": Maybe((FINITE, FINITE)),
}  # fmt: skip
_NUMBERS = {**_SIZE, "numbers": Each(_NUMBER)}
_METRICS = {
    "epochs": COUNT, "seconds": SECONDS, "best_epoch?": Maybe(COUNT), "kept_epoch?": COUNT,
    "temperature?": Maybe(FINITE), "temperatures?": [FINITE], "threshold?": SHARE,
    "thresholds?": [SHARE],
}  # fmt: skip
_MASK = {
    "pixels": COUNT, "iou_interval?": _PAIR,
    **dict.fromkeys(("iou", "precision", "recall"), Maybe(SHARE)),
}  # fmt: skip
_MASKS = {
    **_SIZE, "mean_iou": SHARE, "mean_iou_interval": _PAIR, "pixel_accuracy": SHARE,
    "largest": SHARE, "confusion": [[COUNT]], "classes": Each(_MASK),
}  # fmt: skip
_BOX = {
    "boxes": COUNT, "ap50": Maybe(SHARE), "ap": Maybe(SHARE), "threshold": SHARE,
    "count_error": FINITE, "mean_count": FINITE,
}  # fmt: skip
_BOXES = {
    "images": COUNT, "ap50": SHARE, "ap": SHARE, "classes": Each(_BOX),
}  # fmt: skip
_TASKS = {
    "classes": _MEASURED, "labels": _LABELS, "numbers": _NUMBERS, "masks": _MASKS,
    "boxes": _BOXES,
}  # fmt: skip
_PROVENANCE = {
    "date?": str, "command?": Maybe(str), "versions?": Each(Maybe(str)), "parameters?": COUNT,
    "machine?": {
        "system?": Maybe(str), "processor?": Maybe(str), "cores?": Maybe(COUNT),
        "accelerators?": [str],
    },
    "num_images?": Each(COUNT), "bytes?": COUNT, "latency_ms?": Maybe(Number(0, 1e9)),
    "images_in?": Maybe(str),
}  # fmt: skip
_STAGE = {
    "name": str, "ends_at": str, "shape": [Maybe(COUNT)], "parameters": COUNT,
    "moved": Maybe(FINITE), "trained_in": [{"phase": str, "rate": FINITE}],
}  # fmt: skip
_SHARES = [SHARE]
_DOMAINS = {
    "target?": {"conclusion": str},
    "keep?": {
        "shares": _SHARES, "new": _SHARES, "old": _SHARES, "num_images": (COUNT, COUNT),
        "conclusion": str,
    },
}  # fmt: skip
COURSE = {
    "stages?": [_STAGE], "seconds?": [(str, SECONDS)], "temperature?": Maybe(FINITE),
    "temperatures?": [FINITE], "provenance?": _PROVENANCE, "domains?": _DOMAINS,
    "references?": {"accuracies": Each(SHARE), "num_images": COUNT, "conclusion": str},
}  # fmt: skip


def check_metrics(found, task):
    """Raises `ValueError` unless `metrics.json` holds measures of one list of outputs."""
    check(found, {**_METRICS, "validation?": _TASKS[task], "test?": _TASKS[task]})
    for split in ("validation", "test") if task in ("classes", "masks") else ():
        measured = found.get(split, {"classes": {}, "confusion": []})
        sizes = {len(measured["confusion"]), *map(len, measured["confusion"])}
        if sizes != {len(measured["classes"])}:
            raise ValueError(f"its confusion matrix of '{split}' does not fit the classes")
