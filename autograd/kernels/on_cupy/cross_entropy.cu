// Cross entropy: a block of threads for each row of logits, which the forward reads once whatever the vocabulary.
// The formulas: ../reference/cross_entropy.py.
#include "common.cuh"

// loss = log Σ exp(x) − there · x[target] − everywhere · Σ x, with there = 1 − ε and everywhere = ε/V
KERNEL cross_entropy(const T *__restrict__ logits, const long long *__restrict__ targets, A *__restrict__ losses,
                     A *__restrict__ log_sums, long long classes, long long ignored, double there, double everywhere)
{
    const T *row = logits + blockIdx.x * classes;
    long long target = targets[blockIdx.x];
    A sum = 0;
    Exponentials all = exponentials(classes, [&](long long j) {
        A x = wide(row[j]);
        sum += x;
        return x;
    });
    A total = everywhere > 0 ? sum_over_block(sum) : 0;
    if (threadIdx.x > 0) return;
    A log_sum = all.largest + log(all.sum);
    log_sums[blockIdx.x] = log_sum;
    bool counts = target != ignored;
    losses[blockIdx.x] = counts ? log_sum - (A)there * wide(row[target]) - (A)everywhere * total : 0;
}

// dx = (p − q) dloss: p = exp(x − log Σ exp x), q = `there` at the target plus `everywhere` everywhere.
KERNEL cross_entropy_backward(const A *__restrict__ dlosses, const T *__restrict__ logits,
                              const long long *__restrict__ targets, const A *__restrict__ log_sums,
                              T *__restrict__ dlogits, long long classes, long long ignored, double there,
                              double everywhere)
{
    const T *row = logits + blockIdx.x * classes;
    T *out = dlogits + blockIdx.x * classes;
    long long target = targets[blockIdx.x];
    A log_sum = log_sums[blockIdx.x];
    A dloss = target == ignored ? 0 : dlosses[blockIdx.x];
    for_columns(classes, [&](long long j) {
        A p = exp(wide(row[j]) - log_sum);
        store(out[j], (p - (A)everywhere - (j == target ? (A)there : 0)) * dloss);
    });
}
