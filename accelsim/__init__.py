"""Values, cycles, energy and area of low-precision accelerators, from one schedule.

>>> import accelsim
>>> accelsim.quantize([0.3, 1.7], "fp8_e5m2").tolist()
[0.3125, 1.75]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from accelsim._version import __version__

if TYPE_CHECKING:
    from accelsim.api import compare, run, sweep, train
    from accelsim.arch import Chip, load_chip
    from accelsim.errors import AccelsimError
    from accelsim.formats import get_format, quantize
    from accelsim.numerics import matmul
    from accelsim.precision import Accumulator, Recipe, get_recipe
    from accelsim.results import Comparison, RunResult
    from accelsim.workload import Workload, load_workload
    from accelsim.workload.importers import from_onnx, from_torch

# Names are imported when first used, so that `import accelsim` stays light.
_HOME = {
    "AccelsimError": "errors",
    "Accumulator": "precision",
    "Chip": "arch",
    "Comparison": "results",
    "Recipe": "precision",
    "RunResult": "results",
    "Workload": "workload",
    "compare": "api",
    "from_onnx": "workload.importers",
    "from_torch": "workload.importers",
    "get_format": "formats",
    "get_recipe": "precision",
    "load_chip": "arch",
    "load_workload": "workload",
    "matmul": "numerics",
    "quantize": "formats",
    "run": "api",
    "sweep": "api",
    "train": "api",
}

__all__ = [
    "AccelsimError",
    "Accumulator",
    "Chip",
    "Comparison",
    "Recipe",
    "RunResult",
    "Workload",
    "__version__",
    "compare",
    "from_onnx",
    "from_torch",
    "get_format",
    "get_recipe",
    "load_chip",
    "load_workload",
    "matmul",
    "quantize",
    "run",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'accelsim' has no attribute {name!r}")
    return getattr(import_module(f"accelsim.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
