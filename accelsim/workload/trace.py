"""The trace: everything that a chip does, in order.

It is the program. The executor interprets it, the timing model walks it, the cost
model prices it, all from the same objects. It knows no chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from accelsim.workload.ops import Gemm, Op, TensorInfo, VectorOp
from accelsim.workload.parameters import TraceParameter


@dataclass(frozen=True, slots=True)
class Trace:
    """Ops in order, the tensors that they name, and where those come from.

    Parameters
    ----------
    workload, recipe : str
        Names of what was lowered, for reports.
    phase : str
        ``inference`` or ``training``.
    batch : int
        Images, or other samples, at once.
    ops : tuple of Gemm and VectorOp
        Every op reads only inputs, parameters, and outputs of ops before it.
    tensors : mapping from str to TensorInfo
        Every tensor that an op names.
    inputs : tuple of str
        Tensors that are given: loaded in their format, rounded once to nearest even.
    parameters : tuple of TraceParameter
        Tensors that are made from the weights when they are loaded.
    outputs : tuple of str
        Tensors that are the result.
    updates : mapping from str to str
        Which output takes the place of which parameter in the next training step:
        weights, the optimizer's state, running statistics. Empty for inference.
    shapes : mapping from str to tuple of int
        Shapes in which outputs are given, where they are not those of their tensors.
    """

    workload: str
    recipe: str
    phase: str
    batch: int
    ops: tuple[Op, ...]
    tensors: Mapping[str, TensorInfo]
    inputs: tuple[str, ...]
    parameters: tuple[TraceParameter, ...]
    outputs: tuple[str, ...]
    updates: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def gemms(self) -> tuple[Gemm, ...]:
        """The GEMMs, in order."""
        return tuple(op for op in self.ops if isinstance(op, Gemm))

    @property
    def vector_ops(self) -> tuple[VectorOp, ...]:
        """The vector ops, in order."""
        return tuple(op for op in self.ops if isinstance(op, VectorOp))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all GEMMs, padding zeros included."""
        return sum(op.macs for op in self.ops)

    def seen_shapes(self, op: VectorOp) -> tuple[tuple[int, ...], ...]:
        """Return the shapes in which a vector op sees its inputs."""
        return op.input_shapes or tuple(self.tensors[name].shape for name in op.inputs)

    def transients(self) -> frozenset[str]:
        """Return the tensors that never reach a memory.

        They pass from a GEMM, or from an op fused to it, to ops fused to the same GEMM,
        and nobody else reads them. Everything else that is made is written back.
        """
        chain_of_writer: dict[str, int] = {}
        is_kept = set(self.outputs)
        chain = 0
        for op in self.ops:
            is_fused = isinstance(op, VectorOp) and op.fused
            chain += 0 if is_fused else 1
            reads = op.inputs if isinstance(op, VectorOp) else (op.a.tensor, op.b.tensor)
            is_kept.update(
                name for name in reads if not is_fused or chain_of_writer.get(name) != chain
            )
            writes = op.outputs if isinstance(op, VectorOp) else (op.out.tensor,)
            chain_of_writer.update(dict.fromkeys(writes, chain))
        return self._read_tensors() & chain_of_writer.keys() - is_kept

    def _read_tensors(self) -> frozenset[str]:
        """Return every tensor that some op reads."""
        return frozenset(
            name
            for op in self.ops
            for name in (op.inputs if isinstance(op, VectorOp) else (op.a.tensor, op.b.tensor))
        )

    def save(self, path: str | Path) -> None:
        """Write the trace as JSON; gzip-compressed if `path` ends in ``.gz``.

        The file is written beside its place and then moved there, so no half of a
        trace is ever seen.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        from accelsim.workload.trace_file import save_trace

        save_trace(self, path)


def load_trace(path: str | Path) -> Trace:
    """Read a trace that `Trace.save` wrote.

    Raises
    ------
    DataError
        If the file is missing, too large, no JSON, or not a valid trace: unknown
        keys, a tensor that no op or input defines, shapes that do not fit a view.
    """
    from accelsim.workload.trace_file import load_trace as load

    return load(path)
