"""A precision recipe: tensor role -> format, accumulator, store, scale and update rule.

A recipe asks; a chip can or cannot serve. Everything that decides a bit of a
network's result, save the order of additions, is a field of `Recipe`, so every
ablation is one override: ``--set recipe.accumulator.chunk_size=1``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from accelsim.config import StrictModel
from accelsim.formats import NumberFormat, Overflow, Rounding
from accelsim.precision.accumulator import Accumulator
from accelsim.precision.format_ref import ArithmeticFormatRef, FormatRef
from accelsim.precision.threshold import Threshold


class OperandFormats(StrictModel):
    """Formats of what a GEMM multiplies, by the role of the tensor.

    The forward GEMM multiplies activation by weight, the backward GEMM error by
    weight, the gradient GEMM activation by error.
    """

    activation: FormatRef
    """Format of an activation."""
    weight: FormatRef
    """Format of a weight."""
    error: FormatRef
    """Format of the gradient with respect to an activation."""


class GemmException(StrictModel):
    """How the GEMMs of one layer differ from the others. They are never scaled."""

    operands: OperandFormats
    """Formats of the operands."""
    accumulator: Accumulator | None = None
    """Accumulator; null means the recipe's own."""


class VectorRule(StrictModel):
    """How bias, batch norm, activation functions, residual adds and pooling compute."""

    compute: ArithmeticFormatRef
    """Every arithmetic result is rounded to this format; biases are held in it."""
    storage: FormatRef | None = None
    """Format of an activation in memory between vector ops; null means `compute`."""
    statistics: ArithmeticFormatRef
    """Format in which means and variances of batch norm are computed and kept."""
    rounding: Rounding = Rounding.NEAREST_EVEN
    """Rounding of what a vector op stores."""


class SoftmaxRule(StrictModel):
    """How softmax and the loss compute."""

    compute: ArithmeticFormatRef
    """Format of every arithmetic result."""
    output: FormatRef
    """Format of the probabilities and of the loss."""


class StoreRule(StrictModel):
    """How an activation, weight or error becomes a GEMM operand."""

    rounding: Rounding = Rounding.NEAREST_EVEN
    """Rounding into the operand format."""
    overflow: Overflow | None = Overflow.SATURATE
    """What happens beyond its range; null means the format's own rule."""


class ScalingMethod(StrEnum):
    """How a tensor is scaled before it becomes a GEMM operand."""

    #: Stored as it is.
    NONE = "none"
    #: One factor per tensor moves the largest magnitude to the top of the range.
    AMAX = "amax"


class AmaxSource(StrEnum):
    """Which largest magnitude a scale comes from."""

    #: Of the tensor itself: one more pass over it.
    CURRENT = "current"
    #: Of the same tensor in earlier training steps; inference has none and uses its own.
    DELAYED = "delayed"
    #: Of calibration samples, in inference: a constant; where there were none, and in
    #: training, of the tensor itself.
    CALIBRATED = "calibrated"


class ErrorClipping(StrEnum):
    """What part of an error's range a scale moves to the top of the format's."""

    #: All of it, up to the largest magnitude.
    NONE = "none"
    #: The part that turns the error's direction least when the rest is clipped (Zhu et al. 2020).
    DIRECTION = "direction"


class TensorScaling(StrictModel):
    """Scale per tensor of GEMM operands."""

    method: ScalingMethod = ScalingMethod.NONE
    """How operands are scaled."""
    power_of_two: bool = True
    """Round the scale down to a power of two."""
    margin: int = Field(default=0, ge=-32, le=32)
    """Powers of two to stay below the top of the format's range."""
    amax: AmaxSource = AmaxSource.CURRENT
    """Which magnitude counts for activations and errors."""
    threshold: Threshold = Threshold.AMAX
    """Which magnitude of weights, and of activations in calibration, goes to the top of the
    format's range."""
    percentile: float = Field(default=99.99, gt=0, le=100)
    """Per cent of the magnitudes that do not saturate, where `threshold` is percentile."""
    weights_per_channel: bool = False
    """A weight has a scale for each output channel, in inference."""
    history: int = Field(default=16, ge=1, le=4096)
    """Training steps that `delayed` remembers; their largest magnitude counts."""
    error_clipping: ErrorClipping = ErrorClipping.NONE
    """How errors are scaled, in training, where `method` is amax."""
    deviation_decay: float = Field(default=20.0, ge=0, le=1000)
    """With direction clipping a layer's learning rate is multiplied by
    max(exp(-deviation_decay * d), deviation_floor), d = 1 - cosine of error and stored error."""
    deviation_floor: float = Field(default=0.1, ge=0, le=1)
    """Smallest such factor."""


class LossScalingMethod(StrEnum):
    """How the loss is multiplied so that small errors survive."""

    #: Not at all.
    NONE = "none"
    #: By `value`.
    CONSTANT = "constant"
    #: By a factor that grows while all gradients are finite and shrinks when one is not.
    DYNAMIC = "dynamic"


class LossScaling(StrictModel):
    """Factor on the loss; gradients are divided by it before the weight update."""

    method: LossScalingMethod = LossScalingMethod.NONE
    """How the factor is chosen."""
    value: float = Field(default=1.0, gt=0, le=2.0**40)
    """The factor, or the first factor of the dynamic method."""
    growth_factor: float = Field(default=2.0, gt=1, le=2.0**16)
    """Dynamic: multiplies the factor after `growth_interval` finite steps."""
    backoff_factor: float = Field(default=0.5, gt=0, lt=1)
    """Dynamic: multiplies the factor after a step with an infinity or NaN, which is skipped."""
    growth_interval: int = Field(default=2000, ge=1, le=2**31)
    """Dynamic: finite steps before the factor grows."""

    @property
    def first_factor(self) -> float:
        """The factor of the first step: `value`, or 1 without loss scaling."""
        return 1.0 if self.method is LossScalingMethod.NONE else self.value


class UpdateRule(StrictModel):
    """How a weight moves: L2-Reg, Momentum-Acc and Weight-Upd, three AXPYs."""

    gradient: FormatRef
    """Format in which the gradient GEMM's result is stored."""
    compute: ArithmeticFormatRef
    """Format to which each AXPY, exact inside, is rounded once."""
    state: FormatRef
    """Format of momentum and other state of the optimizer."""
    second_moment: FormatRef | None = None
    """Format of Adam's second moment, which is never negative; null means that of the state."""
    master: FormatRef
    """Format of the weights between updates."""
    rounding: Rounding = Rounding.NEAREST_EVEN
    """Rounding of the three AXPYs."""
    random_bits: int = Field(default=16, ge=1, le=32)
    """Random bits per stochastic rounding."""


@dataclass(frozen=True, slots=True)
class GemmRule:
    """What a recipe asks of the GEMMs of one layer."""

    operands: OperandFormats
    accumulator: Accumulator
    output: NumberFormat
    scaled: bool


class Recipe(StrictModel):
    """Which number goes where, for inference and training."""

    name: str = Field(min_length=1, max_length=200)
    """Name of the recipe."""
    description: str = ""
    """What it is, in a sentence."""
    source: str = ""
    """Who fixed its choices."""
    accumulator: Accumulator
    """What happens to the products of a GEMM."""
    operands: OperandFormats
    """Formats of GEMM operands."""
    gemm_output: FormatRef | None = None
    """Format in which a GEMM's result leaves the accumulator, to nearest even; null means the
    outer accumulator's own format."""
    first_layer: GemmException | None = None
    """Exception for GEMMs that read an image that is the network's input; null for none."""
    last_layer: GemmException | None = None
    """Exception for the last layer with a GEMM; null for none."""
    vector: VectorRule
    """Vector operations."""
    softmax: SoftmaxRule
    """Softmax and loss."""
    store: StoreRule = StoreRule()
    """Rounding and overflow of GEMM operands."""
    scaling: TensorScaling = TensorScaling()
    """Scale per tensor of GEMM operands."""
    loss_scaling: LossScaling = LossScaling()
    """Factor on the loss, in training."""
    saved_activations: FormatRef | None = None
    """Format in which activations wait for the backward pass, such as ``range2_group``, rounded
    stochastically; null means as the forward pass left them."""
    update: UpdateRule
    """Weight update, in training."""

    @property
    def storage_format(self) -> NumberFormat:
        """Format of an activation in memory between vector operations."""
        return self.vector.storage or self.vector.compute

    def gemm_rule(self, *, reads_image: bool = False, is_last: bool = False) -> GemmRule:
        """Return what is asked of the GEMMs of a layer.

        Parameters
        ----------
        reads_image : bool
            The layer reads an image that is the network's input: `first_layer` applies.
        is_last : bool
            It is the last layer with a GEMM: `last_layer` applies, unless `first_layer` does.

        Returns
        -------
        GemmRule
        """
        exception: GemmException | None = None
        if reads_image:
            exception = self.first_layer
        if is_last and exception is None:
            exception = self.last_layer
        accumulator = self.accumulator
        if exception is not None and exception.accumulator is not None:
            accumulator = exception.accumulator
        return GemmRule(
            operands=self.operands if exception is None else exception.operands,
            accumulator=accumulator,
            output=self.gemm_output or accumulator.outer,
            scaled=exception is None and self.scaling.method is not ScalingMethod.NONE,
        )
