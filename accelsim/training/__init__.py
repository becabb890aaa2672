"""Many steps: training a network with the arithmetic of a chip."""

from accelsim.training.datasets import DataSet, list_data_sets, load_data
from accelsim.training.loop import train_task
from accelsim.training.result import TrainingPrice, TrainingResult
from accelsim.training.settings import Schedule, TrainingSettings
from accelsim.training.task import Task

__all__ = [
    "DataSet",
    "Schedule",
    "Task",
    "TrainingPrice",
    "TrainingResult",
    "TrainingSettings",
    "list_data_sets",
    "load_data",
    "train_task",
]
