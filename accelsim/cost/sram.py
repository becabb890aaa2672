"""Energy, leakage and area of an SRAM, from a table of CACTI points.

The points of a memory generator jump where it changes the shape of its banks: a
larger memory may come out cheaper than a smaller one. Those jumps are not
physics, so the grid of one cell type, design goal and node is first replaced by
the nearest monotonic one (isotonic regression of the logarithms: energy and area
along capacity and width, leakage along capacity); between its points values are
interpolated in the logarithms of capacity, width and node. At a point that breaks
no order the interpolation returns the point itself.

Nothing is extrapolated. A memory beyond the table is several equal ones side by
side (slices for width, banks for capacity); one below it is an error.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import ConfigError, DataError, UnsupportedError

FloatArray = NDArray[np.float64]

_COLUMNS = ("read_pJ", "write_pJ", "leakage_mW", "area_mm2")
#: Columns that grow with the width of a word; leakage belongs to the cells alone.
_GROWS_WITH_WIDTH = frozenset({"read_pJ", "write_pJ", "area_mm2"})
#: Sweeps of the alternating projection; the grids settle in far fewer.
_SWEEPS = 200


@dataclass(frozen=True, slots=True)
class SramCost:
    """Price of one memory at one node.

    Parameters
    ----------
    read_pj, write_pj : float
        Energy of one access of a whole word.
    leakage_mw : float
        Leakage power at the table's temperature.
    area_mm2 : float
        Area with periphery.
    word_bytes : int
        Bytes of one access.
    notes : tuple of str
        How the memory was put together where it is beyond the table.
    """

    read_pj: float
    write_pj: float
    leakage_mw: float
    area_mm2: float
    word_bytes: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SramTable:
    """The monotonic grids of one cell type and design goal.

    Parameters
    ----------
    nodes : tuple of float
        Nodes in nm, ascending.
    log_capacity, log_width : array
        Logarithms of bytes, ascending.
    log_values : dict
        Column -> array (node, capacity, width).
    """

    nodes: tuple[float, ...]
    log_capacity: FloatArray
    log_width: FloatArray
    log_values: dict[str, FloatArray]

    @property
    def capacity_range(self) -> tuple[int, int]:
        """Smallest and largest capacity in bytes."""
        low, high = np.exp(self.log_capacity[[0, -1]])
        return round(low), round(high)

    @property
    def width_range(self) -> tuple[int, int]:
        """Smallest and largest word in bytes."""
        low, high = np.exp(self.log_width[[0, -1]])
        return round(low), round(high)

    def cost(self, capacity_bytes: int, width_bytes: int, *, node_nm: float) -> SramCost:
        """Return the price of a memory at a node inside the table.

        Raises
        ------
        UnsupportedError
            If the node is outside the table, or the memory smaller than its smallest.
        """
        if not self.nodes[0] <= node_nm <= self.nodes[-1]:
            raise UnsupportedError(
                f"The memory table covers {self.nodes[0]:g} to {self.nodes[-1]:g} nm,"
                f" not {node_nm:g} nm."
            )
        smallest = self.capacity_range[0]
        if capacity_bytes < smallest:
            raise UnsupportedError(
                f"A memory of {capacity_bytes:,} bytes is below the table's smallest,"
                f" {smallest:,} bytes: build it of registers, or make it larger."
            )
        width = max(width_bytes, self.width_range[0])
        slices = -(-width // self.width_range[1])
        banks = -(-capacity_bytes // (slices * self.capacity_range[1]))
        one = self._interpolate(
            max(smallest, capacity_bytes / (slices * banks)), width / slices, node_nm
        )
        return SramCost(
            read_pj=slices * one["read_pJ"],
            write_pj=slices * one["write_pJ"],
            leakage_mw=slices * banks * one["leakage_mW"],
            area_mm2=slices * banks * one["area_mm2"],
            word_bytes=width,
            notes=_assembly_notes(capacity_bytes, width, slices, banks),
        )

    def _interpolate(self, capacity: float, width: float, node_nm: float) -> dict[str, float]:
        at_capacity = _weights(self.log_capacity, np.log(capacity))
        at_width = _weights(self.log_width, np.log(width))
        at_node = _weights(np.log(np.array(self.nodes)), np.log(node_nm))
        return {
            column: float(np.exp(np.einsum("ncw,n,c,w->", grid, at_node, at_capacity, at_width)))
            for column, grid in self.log_values.items()
        }


@lru_cache(maxsize=16)
def load_sram_table(path: Path, *, cell: str, objective: str) -> SramTable:
    """Read the points of one cell type and design goal and make them monotonic.

    Lines that start with ``#`` are comments. A size that the generator could not
    build takes the price of the next larger capacity.

    Raises
    ------
    DataError
        If the file cannot be read or has holes that no larger capacity fills.
    ConfigError
        If it has no point of that cell and objective; it lists what there is.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        points = list(csv.DictReader(line for line in lines if not line.startswith("#")))
        mine = [p for p in points if p["cell"] == cell and p["objective"] == objective]
        keys = [
            (float(p["tech_nm"]), int(p["capacity_bytes"]), int(p["width_bytes"])) for p in mine
        ]
        values = {column: [float(p[column]) for p in mine] for column in _COLUMNS}
    except (OSError, UnicodeError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not a readable table of memories: {error}") from error
    if not mine:
        have = sorted({f"{p['cell']} {p['objective']}" for p in points})
        raise ConfigError(f"{path} has no points for {cell} {objective}; it has: {have}.")
    nodes, capacities, widths = (sorted({key[axis] for key in keys}) for axis in range(3))
    grids = {}
    for column in _COLUMNS:
        grid = np.full((len(nodes), len(capacities), len(widths)), np.nan)
        for (node, capacity, width), value in zip(keys, values[column], strict=True):
            grid[nodes.index(node), capacities.index(capacity), widths.index(width)] = value
        filled = _fill_from_larger(grid, path)
        grids[column] = np.stack(
            [monotonic(np.log(one), along_width=column in _GROWS_WITH_WIDTH) for one in filled]
        )
    return SramTable(
        nodes=tuple(nodes),
        log_capacity=np.log(np.array(capacities, dtype=float)),
        log_width=np.log(np.array(widths, dtype=float)),
        log_values=grids,
    )


def monotonic(grid: FloatArray, *, along_width: bool) -> FloatArray:
    """Return the grid (capacity, width) nearest to `grid` that never falls along an axis.

    Dykstra's alternating projections onto the two cones, each by pooling adjacent
    violators; along capacity alone where `along_width` is false.

    References
    ----------
    R. L. Dykstra, T. Robertson, "An algorithm for isotonic regression for two or
    more independent variables", Annals of Statistics 10, 1982.
    """
    if not along_width:
        return np.apply_along_axis(_pool_adjacent, 0, grid)
    current = grid.astype(float)
    residual = [np.zeros_like(current), np.zeros_like(current)]
    for _ in range(_SWEEPS):
        before = current.copy()
        for axis in (0, 1):
            start = current + residual[axis]
            current = np.apply_along_axis(_pool_adjacent, axis, start)
            residual[axis] = start - current
        if np.allclose(before, current, rtol=0, atol=1e-12):
            break
    return current


def _pool_adjacent(values: FloatArray) -> FloatArray:
    """Return the nearest sequence that never falls (pool adjacent violators)."""
    means: list[float] = []
    sizes: list[int] = []
    for value in values:
        means.append(float(value))
        sizes.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            last, count = means.pop(), sizes.pop()
            means[-1] = (means[-1] * sizes[-1] + last * count) / (sizes[-1] + count)
            sizes[-1] += count
    return np.repeat(np.array(means), sizes)


def _fill_from_larger(grid: FloatArray, path: Path) -> FloatArray:
    for capacity in range(grid.shape[1] - 2, -1, -1):
        hole = np.isnan(grid[:, capacity])
        grid[:, capacity][hole] = grid[:, capacity + 1][hole]
    if np.isnan(grid).any():
        raise DataError(f"{path}: the largest capacity lacks some widths; the grid has a hole.")
    return grid


def _weights(axis: FloatArray, at: Any) -> FloatArray:
    """Return the weights of linear interpolation of an ascending axis at a point on it."""
    inside = float(np.clip(at, axis[0], axis[-1]))
    weights = np.zeros(len(axis))
    upper = min(int(np.searchsorted(axis, inside, side="right")), len(axis) - 1)
    if len(axis) == 1:
        weights[0] = 1.0
        return weights
    share = (inside - axis[upper - 1]) / (axis[upper] - axis[upper - 1])
    weights[upper - 1], weights[upper] = 1 - share, share
    return weights


def _assembly_notes(capacity: int, width: int, slices: int, banks: int) -> tuple[str, ...]:
    counted = ((slices, "slices"), (banks, "banks"))
    parts = [f"{count} {what}" for count, what in counted if count > 1]
    if not parts:
        return ()
    size = f"{capacity / 1024:g} KiB, {width} bytes wide"
    return (f"A memory of {size} is beyond the table: priced as {' x '.join(parts)}.",)
