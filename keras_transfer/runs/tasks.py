"""What a run predicts, each as one object."""

from keras_transfer.runs.box_task import BoxTask
from keras_transfer.runs.class_task import ClassTask
from keras_transfer.runs.kind import refuse
from keras_transfer.runs.label_task import LabelTask
from keras_transfer.runs.mask_task import MaskTask
from keras_transfer.runs.number_task import NumberTask

_TASKS = {
    task.name: task for task in (ClassTask(), LabelTask(), NumberTask(), MaskTask(), BoxTask())
}
_TAKEN_BY_SOME = frozenset().union(*(task.takes for task in _TASKS.values()))


def check_taken(task, given):
    """Raises `NotTakenError` if arguments have no effect on what a `Task` predicts."""
    refuse(f"The run predicts {task.name}", {*given} & _TAKEN_BY_SOME - task.takes)


def task_of(name):
    """The task of a name, as in `ImageSplits.task`.

    Raises:
        ValueError: if there is no such task.
    """
    if not isinstance(name, str) or name not in _TASKS:
        raise ValueError(f"`task` must be one of {sorted(_TASKS)}. Received: task={name!r}")
    return _TASKS[name]
