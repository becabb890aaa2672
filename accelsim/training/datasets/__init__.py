"""Data to train on: read from installed packages or the user's files, never downloaded."""

from accelsim.training.datasets.base import DataSet, Split, network_input, network_inputs
from accelsim.training.datasets.lookup import describe_data_sets, list_data_sets, load_data

__all__ = [
    "DataSet",
    "Split",
    "describe_data_sets",
    "list_data_sets",
    "load_data",
    "network_input",
    "network_inputs",
]
