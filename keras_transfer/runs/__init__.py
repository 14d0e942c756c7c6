"""A run and its folder."""

from keras_transfer.runs.report_page import write
from keras_transfer.runs.run_course import course_of
from keras_transfer.runs.run_record import Predictions, RunRecord

__all__ = [
    "Predictions",
    "RunRecord",
    "course_of",
    "write",
]
