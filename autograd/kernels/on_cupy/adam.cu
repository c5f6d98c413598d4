// Adam over flat buffers that hold all parameters: one pass, whatever their number. The formula: ../reference/adam.py.
#include "common.cuh"

// p ← p (1 − lr · decay) − rate m / (√v + eps'), where rate = lr √c₂/c₁ and eps' = eps √c₂ with cᵢ = 1 − βᵢᵗ: the bias
// corrections, folded in. restᵢ = 1 − βᵢ, found in double. The gradient counts times `factor` times `scale`; the latter
// may be null, and lies on the device, where the gradients' norm was found: clipping need not wait for it to be known.
// So does `corrected`, rate and eps' where only the device knows how many steps have counted.
KERNEL adam(T *__restrict__ parameter, const T *__restrict__ gradient, T *__restrict__ m, T *__restrict__ v,
            long long n, const A *__restrict__ scale, const A *__restrict__ corrected, double factor, double beta1,
            double rest1, double beta2, double rest2, double rate, double eps, double shrink)
{
    A by = scale ? (A)factor * *scale : (A)factor;
    if (!(by - by == 0)) return;  // not finite: nothing changes
    A fast = corrected ? corrected[0] : (A)rate, small = corrected ? corrected[1] : (A)eps;
    for_elements(n, [&](long long i) {
        A g = wide(gradient[i]) * by;
        A first = (A)beta1 * wide(m[i]) + (A)rest1 * g;
        A second = (A)beta2 * wide(v[i]) + (A)rest2 * g * g;
        store(m[i], first);
        store(v[i], second);
        store(parameter[i], wide(parameter[i]) * (A)shrink - fast * first / (sqrt(second) + small));
    });
}

// parts[block] = Σ x² over the elements that the block's threads meet. In double: a sum of 10⁸ squares in float, even
// in parts, would lose digits that decide whether to clip.
KERNEL squares(const T *__restrict__ x, double *__restrict__ parts, long long n)
{
    double mine = 0;
    for_elements(n, [&](long long i) { mine += (double)wide(x[i]) * wide(x[i]); });
    double sum = sum_over_block(mine);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}
