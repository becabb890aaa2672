"""Energy and area of a unit at another technology node than it was measured at.

Two published sources disagree, so both are here and the answer says which was
used:

* **Interpolation between published end points** (default for energy): Jouppi et
  al. (ISCA 2021, Table 2) give the energy of the same operations at 45 and at
  7 nm. The geometric mean of their ratios fixes the slope of a power law.
* **Stillmaker and Baas** (Integration 58, 2017): quadratic fits of energy
  against supply voltage per node, and area factors. From 45 to 7 nm they
  predict 0.07 to 0.08 of the energy where the first source has 0.23 to 0.48.

Areas always follow Stillmaker and Baas, the only one of the two that has them.
Nodes between two published ones are interpolated in log-log.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum

from accelsim.errors import UnsupportedError

#: Energy at 7 nm over energy at 45 nm, from Jouppi et al., ISCA 2021, Table 2.
PUBLISHED_7_OVER_45 = {
    "int8 add": 0.007 / 0.03,
    "int32 add": 0.03 / 0.1,
    "fp32 add": 0.38 / 0.9,
    "int8 multiply": 0.07 / 0.2,
    "int32 multiply": 1.48 / 3.1,
    "fp16 multiply": 0.34 / 1.1,
    "fp32 multiply": 1.31 / 3.7,
}
_COARSE_NM, _FINE_NM = 45.0, 7.0

#: Area at a node over area at 45 nm, from Stillmaker and Baas 2017; 65 nm is the
#: inverse of their 65-to-45 factor.
STILLMAKER_AREA = {
    65.0: 1 / 0.66, 45.0: 1.0, 32.0: 0.46, 20.0: 0.21,
    16.0: 0.19, 14.0: 0.17, 10.0: 0.10, 7.0: 0.059,
}  # fmt: skip

#: Energy factor a V^2 + b V + c per node, high-performance devices (65 nm: the only fit).
STILLMAKER_ENERGY = {
    65.0: (3.755, -4.398, 1.975),
    45.0: (1.018, -0.3107, 0.1539),
    32.0: (0.8367, -0.4341, 0.1701),
    20.0: (0.373, -0.1582, 0.04104),
    16.0: (0.2958, -0.1241, 0.03024),
    14.0: (0.2363, -0.09675, 0.02239),
    10.0: (0.2068, -0.09311, 0.02375),
    7.0: (0.1776, -0.09097, 0.02447),
}

#: Supply assumed at a node where none is stated; our choice, near the usual nominal supply.
NOMINAL_VOLTAGE = {
    65.0: 1.1, 45.0: 0.9, 32.0: 0.9, 20.0: 0.85, 16.0: 0.8, 14.0: 0.8, 10.0: 0.75, 7.0: 0.7,
}  # fmt: skip

#: Factors further apart than this are worth a warning.
_DISAGREEMENT = 1.25


class ScalingMethod(StrEnum):
    """Where a change of energy with the node comes from."""

    #: Power law through the published energies at 45 and 7 nm (Jouppi et al. 2021).
    PUBLISHED_ENDPOINTS = "published_endpoints"
    #: The voltage fits of Stillmaker and Baas (2017).
    STILLMAKER = "stillmaker"


@dataclass(frozen=True, slots=True)
class Scaling:
    """Factors from one node to another, and what to know about them.

    Parameters
    ----------
    from_nm, to_nm : float
        Nodes.
    method : ScalingMethod
        Source of `energy`.
    energy, area, leakage : float
        Multiply a figure at `from_nm` to get it at `to_nm`.
    warnings : tuple of str
        Where sources disagree or a node lies between or beyond published ones.
    """

    from_nm: float
    to_nm: float
    method: ScalingMethod
    energy: float
    area: float
    leakage: float
    warnings: tuple[str, ...] = ()


def scale(
    from_nm: float,
    to_nm: float,
    *,
    method: ScalingMethod = ScalingMethod.PUBLISHED_ENDPOINTS,
) -> Scaling:
    """Return the factors from one node to another.

    Leakage power of a unit is taken to follow its area: fewer square millimetres
    leak less. That is an estimate; no source at hand has it.

    Raises
    ------
    UnsupportedError
        If a node is outside 7 to 65 nm.

    Examples
    --------
    >>> round(scale(45, 14).area, 3)
    0.17
    >>> round(scale(45, 7).energy, 3)
    0.341
    >>> round(scale(45, 7, method=ScalingMethod.STILLMAKER).energy, 3)
    0.068
    """
    for node in (from_nm, to_nm):
        if not min(STILLMAKER_AREA) <= node <= max(STILLMAKER_AREA):
            raise UnsupportedError(
                f"No published scaling reaches {node:g} nm; it covers"
                f" {min(STILLMAKER_AREA):g} to {max(STILLMAKER_AREA):g} nm.\n"
                "  Set technology_nm within that range, or name a cost table made at that node."
            )
    energies = {
        ScalingMethod.PUBLISHED_ENDPOINTS: published_energy_factor(from_nm, to_nm),
        ScalingMethod.STILLMAKER: stillmaker_energy_factor(from_nm, to_nm),
    }
    area = _loglog(STILLMAKER_AREA, to_nm) / _loglog(STILLMAKER_AREA, from_nm)
    return Scaling(
        from_nm=from_nm,
        to_nm=to_nm,
        method=method,
        energy=energies[method],
        area=area,
        leakage=area,
        warnings=_warnings(from_nm, to_nm, method, energies),
    )


def published_energy_factor(from_nm: float, to_nm: float) -> float:
    """Return the energy factor of the power law through the published 45 and 7 nm energies."""
    logs = [math.log(ratio) for ratio in PUBLISHED_7_OVER_45.values()]
    slope = math.fsum(logs) / len(logs) / math.log(_FINE_NM / _COARSE_NM)
    return math.exp(slope * math.log(to_nm / from_nm))


def stillmaker_energy_factor(
    from_nm: float,
    to_nm: float,
    *,
    from_voltage_v: float | None = None,
    to_voltage_v: float | None = None,
) -> float:
    """Return the energy factor of Stillmaker and Baas; nominal supplies where none is given.

    Examples
    --------
    >>> round(stillmaker_energy_factor(45, 14), 3)
    0.138
    """
    return _stillmaker_energy(to_nm, to_voltage_v) / _stillmaker_energy(from_nm, from_voltage_v)


def _stillmaker_energy(node_nm: float, voltage_v: float | None) -> float:
    at_nodes = {}
    for node, (a, b, c) in STILLMAKER_ENERGY.items():
        volts = NOMINAL_VOLTAGE[node] if voltage_v is None else voltage_v
        at_nodes[node] = a * volts**2 + b * volts + c
    return _loglog(at_nodes, node_nm)


def _loglog(table: dict[float, float], at: float) -> float:
    """Return the table's value at a key, interpolated in log-log between its neighbours."""
    if at in table:
        return table[at]
    keys = sorted(table)
    upper = bisect_left(keys, at)
    low, high = keys[upper - 1], keys[upper]
    weight = math.log(at / low) / math.log(high / low)
    return math.exp((1 - weight) * math.log(table[low]) + weight * math.log(table[high]))


def _warnings(
    from_nm: float, to_nm: float, method: ScalingMethod, energies: dict[ScalingMethod, float]
) -> tuple[str, ...]:
    found = []
    high, low = max(energies.values()), min(energies.values())
    if high > _DISAGREEMENT * low:
        others = ", ".join(f"{name} gives x{value:.3f}" for name, value in energies.items())
        found.append(
            f"Sources disagree on the energy from {from_nm:g} to {to_nm:g} nm: {others};"
            f" {method} was used."
        )
    between = [node for node in (from_nm, to_nm) if node not in STILLMAKER_AREA]
    if between:
        listed = ", ".join(f"{node:g} nm" for node in between)
        found.append(f"No area factor is published for {listed}; it lies between two that are.")
    return tuple(found)
