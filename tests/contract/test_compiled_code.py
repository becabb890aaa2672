"""What compiled code must not do: each of these was seen to lose bits, speed or the cache.

Read from the source with `ast`, and from what the compiler makes of it.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "accelsim"
COMPILED = sorted(
    path for path in PACKAGE.rglob("*.py") if "numba" in path.read_text(encoding="utf-8")
)
#: Decorators that compile; the first two are our own names for `njit` with options.
COMPILERS = {"compiled", "inlined", "njit", "jit"}

_SECOND_PROCESS = """
import os, sys
import numpy as np
from accelsim.formats import get_format
from accelsim.formats.random_bits import StreamKey
from accelsim.numerics import matmul
from accelsim.precision import Accumulator
x = get_format("fp8_e5m2").quantize(np.ones((64, 64), np.float32))
matmul(x, x, Accumulator(format="fp16_e6m9", chunk_size=64))
folder = os.environ["NUMBA_CACHE_DIR"]
sys.stdout.write(str(sum(len(files) for _, _, files in os.walk(folder))))
"""


def _calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_no_option_lets_the_compiler_cancel_a_rounding(path):
    """`fastmath` turns ``(x + M) - M`` into x; `parallel` brings in OpenMP and its forks."""
    for call in _calls(ast.parse(path.read_text(encoding="utf-8"))):
        options = {keyword.arg for keyword in call.keywords}
        assert not options & {"fastmath", "parallel", "error_model"}, ast.unparse(call)


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_no_compiled_function_is_a_closure_or_asks_for_threads(path):
    """Both keep a function out of the cache on disk, so that every process compiles it anew."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert "get_num_threads" not in {_name(call.func) for call in _calls(tree)}
    for outer in ast.walk(tree):
        if not isinstance(outer, ast.FunctionDef):
            continue
        inner = [node for node in ast.walk(outer) if node is not outer]
        for function in (node for node in inner if isinstance(node, ast.FunctionDef)):
            made_by = {_name(getattr(d, "func", d)) for d in function.decorator_list}
            assert not made_by & COMPILERS, f"{outer.name}.{function.name}"


def test_a_second_process_finds_what_the_first_compiled(tmp_path):
    """A mode is compiled once: the second process adds no file to the cache."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    files = [
        subprocess.run(
            [sys.executable, "-c", _SECOND_PROCESS],
            env=environment, capture_output=True, text=True, check=True,
        ).stdout
        for _ in range(2)
    ]  # fmt: skip
    assert int(files[0]) > 0
    assert files[0] == files[1]


def test_bit_patterns_of_float32_are_compared_as_32_bits():
    """A minimum of two int32 widens to int64 in Numba, and halves the lanes, unless it is cut."""
    from numba import int32, njit

    from accelsim.formats import kernels

    pattern = int32[::1]
    loop = njit((pattern, pattern, pattern))(kernels._nearest_float32.py_func)
    (assembly,) = loop.inspect_asm().values()
    if "ymm" not in assembly:
        pytest.skip("no AVX2 here")
    assert "vpminud" in assembly or "vpminsd" in assembly
    assert "vpminsq" not in assembly
