"""Where installed packages keep their files."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from accelsim.errors import DataError


def package_folder(package: str, install: str) -> Path:
    """Return where an installed package keeps its files, without running any of it.

    Parameters
    ----------
    package : str
        Name to import.
    install : str
        What comes after ``pip install`` to get it.

    Raises
    ------
    DataError
        If it is not installed; says how to.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"The package {package} is not installed. To get it: pip install {install}")
    return Path(next(iter(spec.submodule_search_locations)))
