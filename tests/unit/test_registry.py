"""Registries: lazy filling, hints, and no silent second owner of a name."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from accelsim import registry
from accelsim.errors import PluginError, UnknownNameError
from accelsim.formats.lookup import tensor_format_registry
from accelsim.registry import Registry

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
GROUP = "accelsim_test.colours"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put a package with a module and an entry point where Python finds installed ones."""
    monkeypatch.syspath_prepend(str(tmp_path))
    modules: list[str] = []

    def make(name: str, code: str, *, value: str | None = None) -> None:
        (tmp_path / f"{name}.py").write_text(code)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[{GROUP}]\n{name} = {value or name + ':COLOURS'}\n"
        )
        modules.append(name)

    yield make
    for name in modules:
        sys.modules.pop(name, None)


def colours(builtin: str | None = None) -> Registry[int]:
    return Registry("colour", group=GROUP, builtin=builtin)


def test_names_come_from_entry_points(install: Callable[..., None]) -> None:
    install("pigments", "COLOURS = {'red': 1, 'blue': 2}")
    table = colours()
    assert table.names() == tuple(table) == ("blue", "red")
    assert table.items() == (("blue", 2), ("red", 1))
    assert table.get("red") == 1
    assert ("red" in table, "green" in table, len(table)) == (True, False, 2)


def test_nothing_is_loaded_before_the_first_look(install: Callable[..., None]) -> None:
    install("lazy_pigments", "COLOURS = {'red': 1}")
    table = colours()
    table.register("blue", 2)
    assert "lazy_pigments" not in sys.modules
    assert table.names() == ("blue", "red")
    assert "lazy_pigments" in sys.modules


def test_the_builtin_provider_is_found_without_metadata(
    install: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "unlisted.py").write_text("COLOURS = {'grey': 7}")
    install("pigments", "COLOURS = {'red': 1}")
    assert colours("unlisted:COLOURS").names() == ("grey", "red")
    sys.modules.pop("unlisted")


def test_the_builtin_provider_is_loaded_once_where_metadata_names_it_too(
    install: Callable[..., None],
) -> None:
    install("pigments", "COLOURS = {'red': 1}")
    assert colours("pigments:COLOURS").items() == (("red", 1),)


def test_an_unknown_name_lists_the_nearest_and_all() -> None:
    table = colours()
    table.register("red", 1)
    table.register("blue", 2)
    with pytest.raises(
        UnknownNameError,
        match=r"\AUnknown colour 'bleu'\. Did you mean blue\? Known: blue, red\.\Z",
    ):
        table.get("bleu")


def test_register_is_a_decorator_too() -> None:
    table: Registry[Callable[[], int]] = Registry("maker", group="accelsim_test.makers")

    @table.register("one")
    def make_one() -> int:
        return 1

    assert table.get("one") is make_one


def test_a_second_registration_is_refused() -> None:
    table = colours()
    table.register("red", 1)
    with pytest.raises(
        PluginError, match=r"\AThe colour 'red' is registered already; choose another name\.\Z"
    ):
        table.register("red", 1)


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(PluginError, match=r"\AA colour cannot be registered under an empty name"):
        colours().register("", 1)


def test_a_provided_name_cannot_be_registered_again(install: Callable[..., None]) -> None:
    install("pigments", "COLOURS = {'red': 1}")
    table = colours()
    assert table.get("red") == 1
    with pytest.raises(PluginError, match=r"\AThe colour 'red' is registered already"):
        table.register("red", 2)


def test_two_providers_of_a_name_are_both_named(install: Callable[..., None]) -> None:
    install("pigments", "COLOURS = {'red': 1}")
    install("stains", "COLOURS = {'red': 2}")
    with pytest.raises(PluginError) as caught:
        colours().names()
    assert str(caught.value) == (
        "Two colour objects are called 'red': one from pigments:COLOURS (pigments), one from"
        " stains:COLOURS (stains). Rename or uninstall one of them."
    )


def test_a_provider_cannot_take_a_registered_name(install: Callable[..., None]) -> None:
    install("pigments", "COLOURS = {'red': 1}")
    table = colours()
    table.register("red", 2)
    with pytest.raises(PluginError, match=r"one from a call of register\(\), one from pigments:"):
        table.get("red")


@pytest.mark.parametrize(
    ("code", "value", "reason"),
    [
        ("1 / 0", None, "does not load: ZeroDivisionError: division by zero"),
        ("COLOURS = {}", "broken:COLORS", "does not load: AttributeError: "),
        ("COLOURS = {}", "broken_too:COLOURS", "does not load: ModuleNotFoundError: No module"),
        ("COLOURS = ['red']", None, "is a list; it must be a mapping from name to colour."),
        ("COLOURS = {1: 2}", None, "is a dict; it must be a mapping from name to colour."),
    ],
)
def test_a_plugin_that_fails_is_named_every_time(
    install: Callable[..., None], code: str, value: str | None, reason: str
) -> None:
    install("broken", code, value=value)
    table = colours()
    for _ in range(2):
        with pytest.raises(PluginError) as caught:
            table.names()
        text = str(caught.value)
        assert text.startswith(f"The plugin 'broken' of the group {GROUP!r}, broken")
        assert reason in text


TABLES = {
    "accelsim.formats": registry.formats,
    "accelsim.tensor_formats": tensor_format_registry(),
    "accelsim.recipes": registry.recipes,
    "accelsim.layers": registry.layers,
    "accelsim.dataflows": registry.dataflows,
    "accelsim.cost_tables": registry.cost_tables,
}


def test_the_project_declares_its_own_providers_as_a_plugin_would() -> None:
    declared = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]
    assert declared == {group: {"builtin": table.builtin} for group, table in TABLES.items()}


@pytest.mark.parametrize("group", TABLES)
def test_every_table_has_accelsims_own_objects(group: str) -> None:
    assert TABLES[group].group == group
    assert len(TABLES[group]) > 0


def test_every_builtin_is_found_where_nothing_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Distribution, "discover", classmethod(lambda cls, **_: iter(())))
    for table in TABLES.values():
        fresh: Registry[object] = Registry(table.kind, group=table.group, builtin=table.builtin)
        assert fresh.names() == table.names()
