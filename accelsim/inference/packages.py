"""Where installed packages keep their files."""

from __future__ import annotations

from pathlib import Path

from accelsim.errors import DataError
from accelsim.files import installed_folder


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
    folder = installed_folder(package)
    if folder is None:
        raise DataError(f"The package {package} is not installed. To get it: pip install {install}")
    return folder
