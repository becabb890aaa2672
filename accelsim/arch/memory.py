"""On-chip buffers, DRAM, and the DMA between them."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from accelsim.config import StrictModel
from accelsim.errors import ConfigError, Problem


class Memory(StrictModel):
    """A software-managed on-chip buffer."""

    capacity_kib: int | None = Field(default=None, ge=1, le=2**30)
    """Capacity; null means that everything fits (an idealisation)."""
    read_bytes_per_cycle: int | None = Field(default=None, ge=1, le=2**20)
    """Bytes that leave in a cycle; null means unlimited."""
    write_bytes_per_cycle: int | None = Field(default=None, ge=1, le=2**20)
    """Bytes that enter in a cycle; null means unlimited."""
    double_buffering: bool = True
    """A transfer may fill one half while the other is in use."""

    @property
    def capacity_bytes(self) -> int | None:
        """Capacity in bytes; None means unlimited."""
        return None if self.capacity_kib is None else self.capacity_kib * 1024

    @property
    def usable_bytes(self) -> int | None:
        """What one working set may occupy: half of the capacity when double-buffered."""
        if self.capacity_bytes is None:
            return None
        return self.capacity_bytes // 2 if self.double_buffering else self.capacity_bytes


class PagePolicy(StrEnum):
    """What DRAM does with a row after an access."""

    #: Rows cost nothing: bandwidth and latency alone (an idealisation).
    NONE = "none"
    #: A row stays open until another one of its bank is asked for, or a refresh comes.
    OPEN = "open"


class Dram(StrictModel):
    """Main memory, shared by all cores.

    The defaults of the page model are typical of DDR4-3200 with 8 Gb devices on a 64-bit
    rank (JEDEC JESD79-4, figures remembered, not read): 16 banks, 8 devices x 1 KiB a
    page, tRP = tRCD = 13.75 ns, tREFI = 7.8 us, tRFC = 350 ns. LPDDR4 has 8 banks, 2 KiB,
    18 ns and 3.9 us; HBM2 16 banks, 1 KiB a pseudo channel, 14 ns and 3.9 us.
    """

    bandwidth_gb_per_s: float | None = Field(default=None, gt=0, le=1e6)
    """Sustained bandwidth in 1e9 bytes per second; null means unlimited."""
    latency_ns: float = Field(default=0.0, ge=0, le=1e6)
    """Time from a request to its first byte, of an open row where rows are modelled."""
    channels: int = Field(default=1, ge=1, le=256)
    """Independent channels that share the bandwidth equally."""
    interleave_bytes: int = Field(default=256, ge=1, le=2**20)
    """Consecutive bytes of one channel before the next channel's begin."""
    burst_bytes: int = Field(default=64, ge=1, le=65536)
    """Smallest transfer; requests are rounded up to it."""
    page_policy: PagePolicy = PagePolicy.NONE
    """Whether rows have to be opened; the fields below count only where they have."""
    banks: int = Field(default=16, ge=1, le=1024)
    """Banks of a channel; consecutive pages of a channel lie in consecutive banks."""
    page_bytes: int = Field(default=8192, ge=1, le=2**20)
    """Bytes of an open row of one bank."""
    precharge_ns: float = Field(default=13.75, ge=0, le=1e5)
    """Time to close a row (tRP)."""
    activate_ns: float = Field(default=13.75, ge=0, le=1e5)
    """Time to open a row (tRCD)."""
    refresh_interval_ns: float | None = Field(default=7800.0, gt=0, le=1e9)
    """Time from one refresh of all banks to the next (tREFI); null means none."""
    refresh_ns: float = Field(default=350.0, ge=0, le=1e6)
    """Time of a refresh (tRFC); it closes all rows."""

    @model_validator(mode="after")
    def _check_layout(self) -> Self:
        """Refuse bursts cut by a border, rows without bandwidth, and refresh without end."""
        problems = []
        if self.channels > 1 and self.interleave_bytes % self.burst_bytes:
            problems.append(
                Problem(
                    f"{self.interleave_bytes} is no multiple of burst_bytes"
                    f" ({self.burst_bytes}): a burst would lie in two channels.",
                    path="interleave_bytes",
                )
            )
        if self.page_policy is PagePolicy.OPEN:
            problems.extend(self._page_problems())
        if problems:
            raise ConfigError(problems)
        return self

    def _page_problems(self) -> list[Problem]:
        problems = []
        if self.bandwidth_gb_per_s is None:
            problems.append(
                Problem(
                    "Rows take time only beside transfers that do: give bandwidth_gb_per_s,"
                    " or use none.",
                    path="page_policy",
                )
            )
        if self.page_bytes % self.burst_bytes:
            problems.append(
                Problem(
                    f"{self.page_bytes} is no multiple of burst_bytes ({self.burst_bytes}):"
                    " a burst would lie in two rows.",
                    path="page_bytes",
                )
            )
        interval = self.refresh_interval_ns
        if interval is not None and self.refresh_ns >= interval:
            problems.append(
                Problem(
                    f"A refresh of {self.refresh_ns:g} ns every {interval:g} ns leaves no time"
                    " for transfers.",
                    path="refresh_ns",
                )
            )
        return problems


class Dma(StrictModel):
    """The engines that move data between DRAM and each core's scratchpad."""

    queue_depth: int | None = Field(default=None, ge=1, le=4096)
    """Loads of a core that may be under way; 1 waits for each to arrive before it asks for
    the next (no double buffering at DRAM), null means any number."""
    min_portion_bytes: int | None = Field(default=None, ge=1, le=2**30)
    """Fewest bytes of one side of a vector op, over all cores, that are worth a portion of
    their own; null means what DRAM delivers in its latency, but at least a burst a core:
    smaller portions would wait for latency after latency, where one would do."""
