"""One colour per component and per cause of a cycle, in every chart.

The eight colours are those of M. Okabe and K. Ito, "Color Universal Design"
(2008), which stay apart under the common colour-vision deficiencies. A ninth
and later name reuses them in order.
"""

from __future__ import annotations

from collections.abc import Iterable

#: Okabe-Ito, in their published order, black last.
OKABE_ITO = (
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#000000",
)

_FIXED = {
    "compute": OKABE_ITO[4],
    "fill_drain": OKABE_ITO[1],
    "dram_read": OKABE_ITO[5],
    "dram_write": OKABE_ITO[0],
    "dram": OKABE_ITO[5],
    "mac_array": OKABE_ITO[4],
    "accumulator": OKABE_ITO[1],
    "vector_unit": OKABE_ITO[2],
    "scratchpad": OKABE_ITO[6],
    "interconnect": OKABE_ITO[3],
    "leakage": OKABE_ITO[7],
    "clock": OKABE_ITO[0],
}


def colors(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each name: the fixed one where it has one, else the next free."""
    chosen: dict[str, str] = {}
    free = 0
    for name in dict.fromkeys(names):
        if name in _FIXED:
            chosen[name] = _FIXED[name]
            continue
        chosen[name] = OKABE_ITO[free % len(OKABE_ITO)]
        free += 1
    return chosen
