"""Starting is light: heavy packages are loaded by the work that needs them, not before."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("matplotlib", "plotly", "numba", "onnx", "pandas", "optuna", "torch")


def loaded_after(code: str) -> set[str]:
    """Run code in a fresh interpreter; return the top-level packages that it loaded."""
    report = "import sys; print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


HELP = """
import sys
sys.argv = ["accelsim", "--help"]
from accelsim.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.parametrize("code", ["import accelsim", HELP], ids=["import", "help"])
def test_starting_loads_nothing_heavy(code: str) -> None:
    assert loaded_after(code) & set(HEAVY) == set()


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None  # from now on, importing it fails
from accelsim.formats import quantize
from accelsim.numerics import matmul
from accelsim.precision import Accumulator
assert quantize([1.1], "fp8_e5m2").tolist() == [1.0]  # its neighbours are 1 and 1.25
accumulator = Accumulator(format="fp16_e6m9", chunk_size=64)
assert matmul([[1.0, 2.0]], [[3.0], [4.0]], accumulator=accumulator).tolist() == [[11.0]]
"""


def test_values_need_no_compiler() -> None:
    assert "numpy" in loaded_after(WITHOUT_NUMBA)


def test_the_check_sees_a_heavy_package() -> None:
    assert "email" in loaded_after("import email.message")
