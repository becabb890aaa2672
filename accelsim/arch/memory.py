"""On-chip buffers and DRAM."""

from __future__ import annotations

from pydantic import Field

from accelsim.config import StrictModel


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


class Dram(StrictModel):
    """Main memory, shared by all cores."""

    bandwidth_gb_per_s: float | None = Field(default=None, gt=0, le=1e6)
    """Sustained bandwidth in 1e9 bytes per second; null means unlimited."""
    latency_ns: float = Field(default=0.0, ge=0, le=1e6)
    """Time from a request to its first byte."""
    channels: int = Field(default=1, ge=1, le=256)
    """Independent channels that share the bandwidth equally."""
    burst_bytes: int = Field(default=64, ge=1, le=65536)
    """Smallest transfer; requests are rounded up to it."""
