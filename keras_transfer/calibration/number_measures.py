"""Measures of predicted numbers: errors, and the share of the variance that is explained."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_transfer._statistics.bootstrap import resampled, span

_WITHIN = (0.5, 0.9)


@dataclasses.dataclass(frozen=True)
class NumberMeasures:
    """Measures of one number, in its unit.

    Attributes:
        name: the name of the number.
        mae: the mean absolute error.
        mae_interval: `(low, high)`, its 95% bootstrap interval, as the other two; None for
            one image, or one group.
        rmse: the root of the mean squared error.
        rmse_interval: its interval.
        r2: the share of the variance that the predictions explain, at most 1; negative if they
            are worse than the mean of these images; None if all true numbers are equal.
        r2_interval: its interval, or None.
        baseline_mae: the mean absolute error of always predicting the baseline.
        baseline_rmse: the root of its mean squared error.
        bias: the mean of the predictions less that of the true numbers.
        half_within: half of the predictions are at most this far off.
        most_within: the same for 90%.
    """

    name: str
    mae: float
    mae_interval: tuple[float, float] | None
    rmse: float
    rmse_interval: tuple[float, float] | None
    r2: float | None
    r2_interval: tuple[float, float] | None
    baseline_mae: float
    baseline_rmse: float
    bias: float
    half_within: float
    most_within: float


@dataclasses.dataclass(frozen=True)
class PerNumber:
    """Measures of each of the numbers that a model predicts.

    Attributes:
        numbers: a tuple of `NumberMeasures`.
        images: the number of images.
    """

    numbers: tuple[NumberMeasures, ...]
    images: int

    def rows(self):
        """A row for each number, the first one the header."""
        found = [("number", "MAE", "always the mean", "RMSE", "always the mean", "R2")]
        for one in self.numbers:
            errors = (one.mae, one.baseline_mae, one.rmse, one.baseline_rmse)
            share = "-" if one.r2 is None else f"{one.r2:.3f}"
            found.append((one.name, *(f"{error:.4g}" for error in errors), share))
        return found

    def to_json(self):
        """The measures of each number by its name, as dicts and lists."""
        values = dataclasses.asdict(self)
        values["numbers"] = {one.pop("name"): one for one in values["numbers"]}
        return values


def per_number(
    targets: np.ndarray,
    predicted: np.ndarray,
    names: Sequence[str],
    baseline: np.ndarray,
    num_draws: int = 1000,
    seed: int = 0,
    groups: Sequence | np.ndarray | None = None,
) -> PerNumber:
    """The mean absolute error, the root mean squared error and R² of each number.

    Use it for a `DenseHead`. The errors are in the unit of the targets; compare them with those
    of the baseline.

    Args:
        targets: the true numbers, an array `(images, numbers)`.
        predicted: of the same shape.
        names: the names of the numbers.
        baseline: a number for each name, the mean of the training targets.
        num_draws: the number of bootstrap samples of the images. Defaults to 1000.
        seed: of the samples. Defaults to 0.
        groups: for each image its group, such as a patient, or None: images of a group are
            alike, so intervals count groups. Defaults to None, no groups.

    Returns:
        A `PerNumber`.

    Raises:
        ValueError: if the arrays do not fit, or hold NaN or infinity.

    Example:

    >>> found = calibration.per_number([[1.0], [3.0]], [[2.0], [3.0]], ["age"], [2.0])
    >>> found.numbers[0].mae, found.numbers[0].baseline_mae, found.numbers[0].r2
    (0.5, 1.0, 0.5)
    """
    targets, predicted = np.asarray(targets, "float64"), np.asarray(predicted, "float64")
    baseline = np.asarray(baseline, "float64")
    fit = targets.ndim == 2 and targets.shape == predicted.shape and targets.size
    if not fit or not targets.shape[1:] == (len(names),) == baseline.shape:
        raise ValueError(
            f"`targets` and `predicted` must have the shape (images, {len(names)}), and "
            f"`baseline` {len(names)} numbers. Received: shapes {targets.shape}, "
            f"{predicted.shape} and {baseline.shape}"
        )
    if not np.isfinite(targets).all() or not np.isfinite(predicted).all():
        raise ValueError("`targets` and `predicted` must be finite. Received: NaN or infinity")
    weights = resampled(len(targets), num_draws, seed, groups)
    weights = weights / weights.sum(axis=1, keepdims=True)
    columns = zip(names, targets.T, predicted.T, baseline, strict=True)
    return PerNumber(tuple(_measures(*one, weights) for one in columns), len(targets))


def _measures(name, targets, predicted, baseline, weights):
    errors = predicted - targets
    mae, squares = weights @ np.abs(errors), weights @ errors**2
    centred = targets - targets.mean()
    variance = weights @ centred**2 - (weights @ centred) ** 2
    # A sample in which all true numbers are equal, up to rounding, has no R².
    is_known = variance > 1e-9 * (centred**2).max()
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(is_known, 1 - squares / variance, np.nan)
    half, most = np.quantile(np.abs(errors), _WITHIN)
    return NumberMeasures(
        name=str(name),
        mae=float(mae[0]),
        mae_interval=span(mae),
        rmse=float(squares[0] ** 0.5),
        rmse_interval=span(squares**0.5),
        r2=float(r2[0]) if is_known[0] else None,
        r2_interval=span(r2),
        baseline_mae=float(np.abs(baseline - targets).mean()),
        baseline_rmse=float(((baseline - targets) ** 2).mean() ** 0.5),
        bias=float(errors.mean()),
        half_within=float(half),
        most_within=float(most),
    )
