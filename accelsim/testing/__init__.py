"""Testing: kits that prove an extension keeps the laws, for its author to call."""

from accelsim.testing.check_cost_table import check_cost_table
from accelsim.testing.check_dataflow import check_dataflow
from accelsim.testing.check_format import check_format
from accelsim.testing.check_layer import check_layer

__all__ = ["check_cost_table", "check_dataflow", "check_format", "check_layer"]
