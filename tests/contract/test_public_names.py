"""The public names of the package, pinned: adding one is a decision."""

from __future__ import annotations

import accelsim

PUBLIC = {
    "AccelsimError", "Accumulator", "Chip", "Comparison", "Recipe", "RunResult", "Workload",
    "__version__", "compare", "from_onnx", "from_torch", "get_format", "get_recipe", "load_chip",
    "load_workload", "matmul", "quantize", "run", "sweep", "train",
}  # fmt: skip


def test_public_names_are_these() -> None:
    assert set(accelsim.__all__) == PUBLIC
    assert accelsim.__all__ == sorted(accelsim.__all__)


def test_every_public_name_is_there() -> None:
    for name in accelsim.__all__:
        assert getattr(accelsim, name) is not None
    assert set(dir(accelsim)) == PUBLIC
