// GELU and the error function, element by element. The formulas: ../reference/activation.py.
#include "common.cuh"

// gelu(x) = x Φ(x), with Φ the normal distribution or GPT-2's Φ(x) ≈ (1 + tanh u)/2, u = √(2/π) (x + 0.044715 x³).
__device__ const A ROOT_2_OVER_PI = (A)0.7978845608028654;
__device__ const A CUBIC = (A)0.044715;
__device__ const A ROOT_HALF = (A)0.7071067811865476;            // 1/√2
__device__ const A NORMAL_DENSITY_AT_0 = (A)0.3989422804014327;  // 1/√(2π)
__device__ const A TWO_OVER_ROOT_PI = (A)1.1283791670955126;

__device__ inline A distribution(A x, bool exact)
{
    A inner = exact ? erf(x * ROOT_HALF) : tanh(ROOT_2_OVER_PI * (x + CUBIC * x * x * x));
    return (1 + inner) / 2;
}

// Φ' = exp(−x²/2)/√(2π), or, since tanh' = 1 − tanh² and Φ(1 − Φ) = (1 − tanh² u)/4: Φ' = 2 Φ (1 − Φ) u'.
__device__ inline A density(A x, A phi, bool exact)
{
    if (exact) return exp(-x * x / 2) * NORMAL_DENSITY_AT_0;
    return 2 * phi * (1 - phi) * ROOT_2_OVER_PI * (1 + 3 * CUBIC * x * x);
}

KERNEL gelu(const T *__restrict__ x, T *__restrict__ y, long long n, long long exact)
{
    for_elements(n, [&](long long i) {
        A a = wide(x[i]);
        store(y[i], a * distribution(a, exact));
    });
}

// dx = dy (Φ(x) + x Φ'(x))
KERNEL gelu_backward(const T *__restrict__ dy, const T *__restrict__ x, T *__restrict__ dx, long long n,
                     long long exact)
{
    for_elements(n, [&](long long i) {
        A a = wide(x[i]), phi = distribution(a, exact);
        store(dx[i], wide(dy[i]) * (phi + a * density(a, phi, exact)));
    });
}

KERNEL error_function(const T *__restrict__ x, T *__restrict__ y, long long n)
{
    for_elements(n, [&](long long i) { store(y[i], erf(wide(x[i]))); });
}

// dx = dy · 2/√π exp(−x²)
KERNEL error_function_backward(const T *__restrict__ dy, const T *__restrict__ x, T *__restrict__ dx, long long n)
{
    for_elements(n, [&](long long i) {
        A a = wide(x[i]);
        store(dx[i], wide(dy[i]) * TWO_OVER_ROOT_PI * exp(-a * a));
    });
}
