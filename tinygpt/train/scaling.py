"""Loss scaling: a loss whose gradients pass through float16 is multiplied by a factor."""

from __future__ import annotations

from collections.abc import Mapping

from autograd import Array, array_module

FIRST = 2.0**15  # the largest with which the gradient of a logit, p − q, cannot overflow
INTERVAL = 2000  # good steps before the scale is doubled; FIRST, too, as in TensorFlow's DynamicLossScale
LEAST = 2.0**-24  # float16's smallest number: where the scale is even smaller, it is not what makes gradients overflow


class LossScale:
    """A scale that searches for the largest power of two with which gradients do not overflow.

    In float16 a gradient below 3e-8 (half of the smallest number) rounds to 0, and the gradients of most activations
    are small. Scaling the loss scales all gradients; the optimizer divides them by the scale once they are float32.
    The state consists of one-element arrays on the parameters' device, so that nothing waits to learn whether a step
    counted.
    """

    def __init__(self, like: Array, scale: float = FIRST) -> None:
        """like: an array on the device that the state shall be on."""
        self._xp = array_module(like)
        self.scale, self.good, self.counted = (self._xp.asarray(x, dtype="float64") for x in (scale, 0, 0))

    def adjust(self, finite: Array) -> None:
        """Adjusts the scale after a step. finite: whether its gradients were finite; if not, the step is skipped.

        The paper has a constant scale and skips steps that overflow; TensorFlow's DynamicLossScale adjusts the scale.

        Formula: s ← s/2 where ∇(s L) overflowed, s ← 2 s where the last 2000 steps did not
        Paper: Micikevicius et al. 2018, "Mixed precision training", section 3.2; TensorFlow's DynamicLossScale
        Example: examples/05_training.py
        Test: tests/test_precision.py
        """
        where = self._xp.where
        good = where(finite, self.good + 1, 0.0)
        grows = good == INTERVAL
        self.scale = self.scale * where(finite, where(grows, 2.0, 1.0), 0.5)
        self.good = where(grows, 0.0, good)
        self.counted = self.counted + finite

    @property
    def step(self) -> Array:
        """The number of this step among those that counted, from 1, for Adam's bias correction."""
        return self._xp.maximum(self.counted, 1.0)

    def load_state(self, state: Mapping[str, Array], steps: int) -> None:
        """Restores what `state` returned. Of a run without a scale only the number of `steps` is known: all counted."""
        known = {"scale": self.scale, "good": self.good, "counted": steps, **state}
        self.scale, self.good, self.counted = (
            self._xp.asarray(known[name], dtype="float64") for name in ("scale", "good", "counted")
        )

    def state(self) -> dict[str, Array]:
        """For checkpoints."""
        return {"scale": self.scale, "good": self.good, "counted": self.counted}
