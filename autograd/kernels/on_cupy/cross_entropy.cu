// Cross entropy: a block of threads for each row of logits, which the forward reads once whatever the vocabulary.
// The formulas: ../reference/cross_entropy.py.
#include "common.cuh"

// loss = log Σ exp(x − m) − there · (x[target] − m) − everywhere · Σ (x − m), with m the largest of the row,
// there = 1 − ε and everywhere = ε/V
KERNEL cross_entropy(const T *__restrict__ logits, const long long *__restrict__ targets, A *__restrict__ losses,
                     A *__restrict__ largest, A *__restrict__ log_sums, long long classes, long long ignored,
                     double there, double everywhere)
{
    const T *row = logits + blockIdx.x * classes;
    long long target = targets[blockIdx.x];
    A first = wide(row[0]) > minus_infinity() ? wide(row[0]) : 0;
    A sum = 0;  // of x − x[0]: where all logits are large and of about one size, their own sum would lose digits
    Exponentials all = exponentials(classes, [&](long long j) {
        A x = wide(row[j]);
        sum += x - first;
        return x;
    });
    A total = everywhere > 0 ? sum_over_block(sum) : 0;
    if (threadIdx.x > 0) return;
    A log_sum = log(all.sum);
    largest[blockIdx.x] = all.largest;
    log_sums[blockIdx.x] = log_sum;
    A at_target = target == ignored ? 0 : wide(row[target]) - all.largest;
    A overall = everywhere > 0 ? total + classes * (first - all.largest) : 0;
    losses[blockIdx.x] = target == ignored ? 0 : log_sum - (A)there * at_target - (A)everywhere * overall;
}

// dx = (p − q) dloss: p = exp(x − m − log Σ exp(x − m)), q = `there` at the target plus `everywhere` everywhere.
KERNEL cross_entropy_backward(const A *__restrict__ dlosses, const T *__restrict__ logits,
                              const long long *__restrict__ targets, const A *__restrict__ largest,
                              const A *__restrict__ log_sums, T *__restrict__ dlogits, long long classes,
                              long long ignored, double there, double everywhere)
{
    const T *row = logits + blockIdx.x * classes;
    T *out = dlogits + blockIdx.x * classes;
    long long target = targets[blockIdx.x];
    A shift = largest[blockIdx.x], log_sum = log_sums[blockIdx.x];
    A dloss = target == ignored ? 0 : dlosses[blockIdx.x];
    for_columns(classes, [&](long long j) {
        A p = exp(wide(row[j]) - shift - log_sum);
        A dx = (p - (A)everywhere - (j == target ? (A)there : 0)) * dloss;
        store(out[j], target == ignored ? (A)0 : dx);
    });
}
