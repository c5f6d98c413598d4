"""The factor by which a loss is multiplied where its gradients have to pass through float16."""

from __future__ import annotations

from collections.abc import Mapping

from autograd import Array, array_module

FIRST = 2.0**15  # the largest with which the gradient of a logit, p − q, cannot overflow
INTERVAL = 2000  # good steps until twice as much is tried: what Micikevicius et al. report
LEAST = 2.0**-24  # float16's smallest number: a loss that is scaled by less is not what makes gradients overflow


class LossScale:
    """A scale that looks for the largest power of two with which gradients do not overflow.

    In float16 a gradient below 6e-8 is 0, and the gradients of most activations are small; a scaled loss has gradients
    scaled likewise, which the optimizer divides by the scale when they are float32. All of it stays on the parameters'
    device as arrays of one number, so that nobody waits to know whether a step counted.
    """

    def __init__(self, like: Array, scale: float = FIRST) -> None:
        """On the device of the array `like`."""
        self._xp = array_module(like)
        self.scale, self.good, self.counted = (self._xp.asarray(x, dtype="float64") for x in (scale, 0, 0))

    def adjust(self, finite: Array) -> None:
        """After a step with this scale. finite: whether its gradients were; if not, the step is skipped.

        Formula: s ← s/2 where ∇(s L) overflowed, s ← 2 s where the last 2000 steps did not
        Paper: Micikevicius et al. 2018, "Mixed precision training", section 3.2
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
        """The number of this step among those that counted, from 1: what Adam's bias correction is told."""
        return self._xp.maximum(self.counted, 1.0)

    def load_state(self, state: Mapping[str, Array], steps: int) -> None:
        """What `state` gave; of a run that had no scale, how many steps have counted is all there is to know."""
        known = {"scale": self.scale, "good": self.good, "counted": steps, **state}
        self.scale, self.good, self.counted = (
            self._xp.asarray(known[name], dtype="float64") for name in ("scale", "good", "counted")
        )

    def state(self) -> dict[str, Array]:
        """For checkpoints."""
        return {"scale": self.scale, "good": self.good, "counted": self.counted}
