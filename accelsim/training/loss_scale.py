"""The loss scale of each step: none, a constant, or one that feels its way.

References
----------
P. Micikevicius et al., "Mixed Precision Training", ICLR 2018, section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from accelsim.precision.recipe import LossScaling, LossScalingMethod

#: A dynamic scale below this does not save anything any more: the training has diverged.
SMALLEST = 2.0**-24


@dataclass(frozen=True, slots=True)
class LossScale:
    """The factor on the loss, and how many steps in a row it has served."""

    factor: float
    streak: int = 0

    @classmethod
    def first(cls, rule: LossScaling) -> LossScale:
        """Return the scale of the first step."""
        return cls(1.0 if rule.method is LossScalingMethod.NONE else rule.value)

    def after(self, rule: LossScaling, *, is_finite: bool) -> LossScale:
        """Return the scale of the next step, given whether all gradients were finite.

        Examples
        --------
        >>> rule = LossScaling(method=LossScalingMethod.DYNAMIC, value=8.0, growth_interval=2)
        >>> scale = LossScale.first(rule)
        >>> scale = scale.after(rule, is_finite=True).after(rule, is_finite=True)
        >>> scale.factor, scale.after(rule, is_finite=False).factor
        (16.0, 8.0)
        """
        if rule.method is not LossScalingMethod.DYNAMIC:
            return self
        if not is_finite:
            return LossScale(self.factor * rule.backoff_factor)
        if self.streak + 1 < rule.growth_interval:
            return replace(self, streak=self.streak + 1)
        return LossScale(self.factor * rule.growth_factor)
