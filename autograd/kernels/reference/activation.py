"""GELU in its two forms, and the error function that the exact one needs (NumPy has none)."""

from __future__ import annotations

import functools
import math
from typing import Any

from ...device import Array, array_module

SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
CUBIC = 0.044715  # the constant that Hendrycks & Gimpel 2016, section 2, give for the tanh form


def gelu(x: Array, approximate: str = "tanh", needs: bool = True) -> tuple[Array, Any]:
    """x times the probability that a standard normal variable is below x: a smooth gate.

    "none" is the definition, x Φ(x) with Φ(x) = (1 + erf(x/√2)) / 2.
    "tanh" is GPT-2's form, x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.
    needs: whether a gradient will be asked for.

    Formula: gelu(x) = x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2
    Paper: Hendrycks & Gimpel 2016, "Gaussian error linear units", section 2
    Example: examples/01_gradients.py
    Test: tests/test_gradients.py
    """
    xp = array_module(x)
    if approximate == "none":
        y = x * (1 + erf(x / math.sqrt(2))[0]) / 2
    else:
        y = x * (1 + xp.tanh(SQRT_2_OVER_PI * (x + CUBIC * x * x * x))) / 2
    return y, (x, approximate)


def gelu_backward(dy: Array, saved: Any) -> Array:
    """d/dx x Φ(x) = Φ(x) + x φ(x), with φ(x) = exp(−x²/2) / √(2π).

    For the tanh form let u = √(2/π)(x + 0.044715 x³) and t = tanh u. Then dt/dx = (1 − t²) du/dx and
    dy/dx = (1 + t)/2 + x (1 − t²)/2 · √(2/π)(1 + 3·0.044715 x²).
    """
    x, approximate = saved
    xp = array_module(x)
    if approximate == "none":
        density = xp.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        return dy * ((1 + erf(x / math.sqrt(2))[0]) / 2 + x * density)
    t = xp.tanh(SQRT_2_OVER_PI * (x + CUBIC * x * x * x))
    du = SQRT_2_OVER_PI * (1 + 3 * CUBIC * x * x)
    return dy * ((1 + t) / 2 + x * (1 - t * t) / 2 * du)


TAYLOR_TERMS = 20  # at |x| ≤ 1 the first term left out is below 1/(20!·41) ≈ 1e-20
CHEBYSHEV_TERMS = 24  # the interpolant of erfc(x) exp(x²) is then exact to rounding on 1 ≤ x ≤ 6
LARGEST = 6.0  # erfc(6) ≈ 2e-17: beyond it erf is 1 in double precision


def erf(x: Array) -> tuple[Array, Any]:
    """The error function, within two units in the last place in double precision.

    |x| ≤ 1: the Taylor series, whose terms shrink so fast that their alternating signs lose no digits.
    |x| > 1: 1 − erfc(|x|), with erfc(x) = exp(−x²) g(x) and g smooth enough for one polynomial. The error of the
    polynomial hardly matters, since erfc(1) is only 0.16 and falls from there.

    Formula: erf(x) = 2/√π Σ (−1)ⁿ x²ⁿ⁺¹ / (n! (2n+1))
    Paper: Abramowitz & Stegun 1964, "Handbook of mathematical functions", 7.1.5
    Example: examples/01_gradients.py
    Test: tests/test_kernels.py
    """
    xp = array_module(x)
    magnitude = xp.minimum(abs(x), x.dtype.type(LARGEST))
    small = xp.clip(x, -1, 1)
    near = small + small * _horner(_taylor_coefficients(), small * small)
    t = (magnitude - 1) / (magnitude + 1)
    far = 1 - xp.exp(-magnitude * magnitude) * _horner(_far_coefficients(), xp.maximum(t, 0))
    far = xp.where(magnitude < LARGEST, far, 1)
    y = xp.where(magnitude <= 1, near, xp.where(x < 0, -far, far))
    y = xp.where(xp.isnan(x), x, y)
    return y.astype(x.dtype), x


def erf_backward(dy: Array, saved: Any) -> Array:
    """d/dx erf(x) = 2/√π exp(−x²): the integrand of the definition."""
    x = saved
    return dy * (2 / math.sqrt(math.pi)) * array_module(x).exp(-x * x)


def _horner(coefficients: tuple[float, ...], x: Array) -> Array:
    """Σ cₙ xⁿ, from the highest power down."""
    y = x * 0 + coefficients[-1]
    for c in reversed(coefficients[:-1]):
        y = y * x + c
    return y


@functools.cache
def _taylor_coefficients() -> tuple[float, ...]:
    """The coefficients of erf(x)/x − 1 in powers of x². The 1 is added last, as x itself, so the sum rounds once."""
    scale = 2 / math.sqrt(math.pi)
    series = [scale * (-1) ** n / (math.factorial(n) * (2 * n + 1)) for n in range(TAYLOR_TERMS)]
    return (scale - 1, *series[1:])


@functools.cache
def _far_coefficients() -> tuple[float, ...]:
    """The polynomial in t = (x − 1)/(x + 1) that equals erfc(x) exp(x²) at the Chebyshev points of 0 ≤ t ≤ 5/7.

    It is computed here, in exact fractions, from the standard library's math.erfc: there is no table to trust.
    """
    from fractions import Fraction

    top = (LARGEST - 1) / (LARGEST + 1)
    n = CHEBYSHEV_TERMS
    nodes = [Fraction(top / 2 * (1 + math.cos(math.pi * (k + 0.5) / n))) for k in range(n)]
    xs = [float((1 + t) / (1 - t)) for t in nodes]
    divided = [Fraction(math.erfc(x) * math.exp(x * x)) for x in xs]
    for level in range(1, n):  # Newton's divided differences
        for k in range(n - 1, level - 1, -1):
            divided[k] = (divided[k] - divided[k - 1]) / (nodes[k] - nodes[k - level])
    powers = [divided[-1]]
    for k in range(n - 2, -1, -1):  # expand Newton's form into powers of t: p ← p (t − node) + difference
        shifted = [Fraction(0), *powers]
        powers = [a - nodes[k] * b for a, b in zip(shifted, [*powers, Fraction(0)], strict=True)]
        powers[0] += divided[k]
    return tuple(float(c) for c in powers)
