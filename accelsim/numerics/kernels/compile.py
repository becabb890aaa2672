"""How every kernel of this package is compiled and cached.

Never `fastmath`: it cancels the additions that do the rounding. `nogil`, so that
Python threads run side by side. Cached on disk where a place can be written
to (beside the source, else in the user's cache directory), else not.

Numba knows a cached kernel by the time stamp of its own file. A kernel here is
inlined from several files, so a digest of all of them joins the version under
which Numba files it: after any change, what was cached is not even looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba import njit

Function = Callable[..., Any]


def compiled(function: Function) -> Any:
    """Compile a kernel: no fast-math, no GIL, cached where possible."""
    try:
        dispatcher = njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # Numba's "no locator available": nowhere to write.
        return njit(nogil=True)(function)
    _stamp_with(dispatcher, source_digest())
    return dispatcher


def compiled_part(function: Function) -> Any:
    """Compile a part of kernels that allocates nothing, so that it counts no references.

    Counting, at every call, costs more than a short loop, and threads would share the counts.
    """
    without_counts: Any = njit
    return without_counts(nogil=True, _nrt=False)(function)


def inlined(function: Function) -> Any:
    """Make a part of kernels that has no life of its own."""
    return njit(nogil=True, inline="always")(function)


@lru_cache(maxsize=1)
def source_digest() -> str:
    """Return a digest of the source of all kernels."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _stamp_with(dispatcher: Any, digest: str) -> None:
    """Make a cached kernel stale as soon as any kernel source changes."""
    cache_file: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if hasattr(cache_file, "_version"):
        cache_file._version = f"{cache_file._version}-{digest}"
