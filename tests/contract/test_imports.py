"""The borders of the house: what may import what, and how large a file may grow.

Everything is read from the source with `ast`, late imports and imports for type
checking included.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PACKAGE = CHECKOUT / "accelsim"

#: Imports go from a higher rank to a lower one, or stay within one part.
RANKS = {
    "_version": 0,
    "errors": 0,
    "_config_scalars": 0,
    "_config_tree": 0,
    "_config_problems": 0,
    "config": 0,
    "files": 0,
    "identity": 0,
    "registry": 0,
    "formats": 1,
    "precision": 2,
    "workload": 3,
    "arch": 3,
    "schedule": 4,
    "numerics": 5,
    "timing": 5,
    "cost": 5,
    "results": 6,
    "training": 6,
    "inference": 6,
    "explore": 7,
    "report": 7,
    "api": 8,
    "cli": 9,
    "testing": 9,
    "__init__": 10,
    "__main__": 10,
}
#: Parts of one rank that never see each other; the others of one rank may.
STRANGERS = ({"workload", "arch"}, {"numerics", "timing", "cost"})

#: Where a package may be imported: parts, or files.
HOMES = {
    "simpy": {"timing"},
    "numba": {"numerics", "formats"},
    "yaml": {"config"},
    "matplotlib": {"report"},
    "plotly": {"report"},
}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

FILES = sorted(PACKAGE.rglob("*.py"))
IDS = [str(file.relative_to(PACKAGE)) for file in FILES]
every_file = pytest.mark.parametrize("file", FILES, ids=IDS)


@dataclass(frozen=True)
class Import:
    """One imported module, and the line that imports it."""

    module: str
    line: int


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(tree: ast.AST) -> Iterator[Import]:
    """List what a tree imports; ``from accelsim import x`` counts as ``accelsim.x``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            if node.module == "accelsim":
                for alias in node.names:
                    yield Import(f"accelsim.{alias.name}", node.lineno)
            else:
                yield Import(node.module or "", node.lineno)


def may_import(importer: str, imported: str) -> bool:
    if importer == imported:
        return True
    if any({importer, imported} <= group for group in STRANGERS):
        return False
    return RANKS[importer] >= RANKS[imported]


@every_file
def test_every_part_has_a_rank(file: Path) -> None:
    assert part_of(file) in RANKS


@every_file
def test_imports_go_down_only(file: Path) -> None:
    part = part_of(file)
    targets = [
        (found, found.module.split(".")[1])
        for found in imports_of(tree_of(file))
        if found.module.startswith("accelsim.")
    ]
    # A bare `from accelsim import __version__` names no part.
    upward = [
        f"line {found.line}: {found.module}"
        for found, target in targets
        if target in RANKS and not may_import(part, target)
    ]
    assert upward == []


@every_file
def test_each_package_is_imported_only_in_its_home(file: Path) -> None:
    astray = [
        f"line {found.line}: {found.module}"
        for found in imports_of(tree_of(file))
        if part_of(file) not in HOMES.get(found.module.split(".")[0], {part_of(file)})
    ]
    assert astray == []


@every_file
def test_a_file_is_short_enough_to_be_one_idea(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


@every_file
def test_a_function_is_short_enough_to_be_one_sentence(file: Path) -> None:
    long = [
        f"{node.name}: {size} lines"
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (size := code_lines(node)) > MAX_FUNCTION_LINES
    ]
    assert long == []


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function, its docstring apart: documenting is never too long."""
    first = function.body[0]
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or 0) - first.lineno + 1
    return lines


@every_file
def test_only_the_command_line_prints(file: Path) -> None:
    prints = [
        node.lineno
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert prints == [] or part_of(file) == "cli"


@every_file
def test_every_file_and_every_public_name_says_what_it_is(file: Path) -> None:
    tree = tree_of(file)
    silent = [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
    ]
    assert ast.get_docstring(tree) is not None
    assert silent == []


# --- the checks can fail ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("numerics", "schedule", True),
        ("schedule", "numerics", False),
        ("numerics", "timing", False),
        ("timing", "cost", False),
        ("arch", "workload", False),
        ("workload", "arch", False),
        ("precision", "formats", True),
        ("formats", "precision", False),
        ("config", "errors", True),
        ("errors", "formats", False),
        ("api", "report", True),
        ("cli", "api", True),
        ("report", "api", False),
    ],
)
def test_the_ranks_are_those_of_the_design(importer: str, imported: str, allowed: bool) -> None:
    assert may_import(importer, imported) is allowed


def test_late_imports_and_both_spellings_are_seen() -> None:
    source = (
        "def f():\n    import numba.core\n    from accelsim import api\n    from a.b import c\n"
    )
    assert list(imports_of(ast.parse(source))) == [
        Import("numba.core", 2),
        Import("accelsim.api", 3),
        Import("a.b", 4),
    ]


def test_a_docstring_does_not_make_a_function_long() -> None:
    source = 'def f():\n    """One.\n\n    Two.\n    """\n    return 1\n'
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert code_lines(function) == 2  # the signature and the return
