"""Tasks for trained networks: samples, scores, and packages that bring weights."""

from accelsim.inference.classification import classification_task, labelled_task
from accelsim.inference.lookup import PRETRAINED, load_task
from accelsim.inference.task import InferenceTask, Outputs, Part

__all__ = [
    "PRETRAINED",
    "InferenceTask",
    "Outputs",
    "Part",
    "classification_task",
    "labelled_task",
    "load_task",
]
