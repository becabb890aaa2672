"""Look-up of shipped files, and writing that never leaves half a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from accelsim import files
from accelsim.errors import OutputError, UnknownNameError
from accelsim.files import (
    ResourceKind,
    atomic_write,
    installed_folder,
    list_resources,
    resource_path,
    write_together,
)

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay an installed package out in a folder, its neighbours included."""
    package = tmp_path / "site-packages" / "accelsim"
    (package / "_data" / "workloads").mkdir(parents=True)
    (package / "_data" / "workloads" / "net.yaml").write_text("name: net")
    (package.parent / "arch_configs").mkdir()
    (package.parent / "arch_configs" / "foreign.yaml").write_text("not: ours")
    monkeypatch.setattr(files, "_PACKAGE", package)
    return package


def test_a_name_finds_a_file_of_the_checkout() -> None:
    expected = CHECKOUT / "workloads" / "resnet50.yaml"
    assert resource_path("workloads", "resnet50") == expected
    assert resource_path("workloads", "resnet50.yaml") == expected
    assert "resnet50" in list_resources(ResourceKind.WORKLOADS)


def test_the_files_inside_the_package_come_before_the_checkout(wheel: Path) -> None:
    assert resource_path("workloads", "net") == wheel / "_data" / "workloads" / "net.yaml"
    assert list_resources("workloads") == ("net",)


def test_folders_beside_an_installed_package_are_not_ours(wheel: Path) -> None:
    assert list_resources("arch_configs") == ()


def test_a_path_as_given_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet50").mkdir()  # a folder is no file
    assert resource_path("workloads", "resnet50") == CHECKOUT / "workloads" / "resnet50.yaml"
    (tmp_path / "resnet50.yaml").write_text("name: mine")
    assert resource_path("workloads", "resnet50.yaml") == Path("resnet50.yaml")
    assert resource_path("workloads", tmp_path / "resnet50.yaml") == tmp_path / "resnet50.yaml"


@pytest.mark.parametrize(
    "name", ["nett", "nett.yaml", "../net", "x/net.yaml", "", "\0", "n" * 5000]
)
def test_an_unknown_name_lists_what_exists(wheel: Path, name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"\AUnknown workload '.* Known: net\.\Z"):
        resource_path("workloads", name)


def test_cost_tables_have_their_own_folder() -> None:
    assert ResourceKind.COST_TABLES.folder == Path("arch_configs/cost_tables")


def test_an_unknown_kind_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="'networks' is not a valid ResourceKind"):
        list_resources("networks")


# --- writing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "content"), [("ä\n", b"\xc3\xa4\n"), (b"\x00", b"\x00")])
def test_a_file_is_written_whole(tmp_path: Path, data: str | bytes, content: bytes) -> None:
    atomic_write(tmp_path / "out", data)
    assert (tmp_path / "out").read_bytes() == content
    assert os.listdir(tmp_path) == ["out"]


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    atomic_write(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_an_older_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("old")
    target.chmod(0o640)
    atomic_write(target, "new")
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("new", 0o640)


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_older_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    (tmp_path / "out").write_text("old")
    monkeypatch.setattr(*((os, "fsync", fail) if step == "fsync" else (Path, "replace", fail)))
    expected = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        atomic_write(tmp_path / "out", "new")
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["out"]
    assert (tmp_path / "out").read_text() == "old"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        OutputError, match=r"\ACannot write .*/no/out: No such file or directory\.\Z"
    ):
        atomic_write(tmp_path / "no" / "out", "x")


class Killed(BaseException):
    """Stands for a signal that no code sees."""


def killed_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """End the writing before its `step`-th change of a name, without any clearing up."""
    steps = iter(range(step + 1))

    def dying(change: Callable[..., None]) -> Callable[..., None]:
        def changed(*paths: object, **options: object) -> None:
            if next(steps, step) == step:
                raise Killed
            change(*paths, **options)

        return changed

    monkeypatch.setattr(os, "replace", dying(os.replace))
    monkeypatch.setattr(os, "unlink", dying(os.unlink))


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize(
    ("step", "found"),
    # Changes of names: the older network goes, the weights come, the network comes.
    [(0, ("old", "old")), (1, ("old", None)), (2, ("new", None)), (3, ("new", "new"))],
)
def test_files_that_belong_together_are_never_found_old_beside_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, found: tuple[str, str | None],
    older: bool,
) -> None:  # fmt: skip
    weights, network = tmp_path / "net.safetensors", tmp_path / "net.yaml"
    if older:
        weights.write_text("old")
        network.write_text("old")
    killed_at(monkeypatch, step)
    with suppress(Killed):
        write_together({weights: "new", network: b"new"})
    monkeypatch.undo()
    texts = tuple(file.read_text() if file.exists() else None for file in (weights, network))
    assert texts == tuple(text if older or text == "new" else None for text in found)


def test_nothing_is_touched_before_all_is_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("old")
    with pytest.raises(OutputError, match="no/two: No such file"):
        write_together({tmp_path / "one": "new", tmp_path / "no" / "two": "new"})
    assert os.listdir(tmp_path) == ["one"]
    assert (tmp_path / "one").read_text() == "old"


def test_a_package_is_found_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept_data").mkdir()
    (tmp_path / "kept_data" / "__init__.py").write_text("raise RuntimeError")
    (tmp_path / "one_module.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_folder("kept_data") == tmp_path / "kept_data"
    assert installed_folder("one_module") is None
    assert installed_folder("not_installed_at_all") is None
