"""Results: named fields, units in the names, totals added up."""

from accelsim.results.assembly import Readings, assemble
from accelsim.results.comparison import (
    COMPARISON_SCHEMA,
    Comparison,
    ComparisonRow,
    compare_results,
)
from accelsim.results.run import (
    FLOP_PER_MAC,
    RESULT_SCHEMA,
    OpResult,
    RunResult,
    Totals,
    sum_totals,
)

__all__ = [
    "COMPARISON_SCHEMA",
    "FLOP_PER_MAC",
    "RESULT_SCHEMA",
    "Comparison",
    "ComparisonRow",
    "OpResult",
    "Readings",
    "RunResult",
    "Totals",
    "assemble",
    "compare_results",
    "sum_totals",
]
