// Softmax and its logarithm: a block of threads for each row. The formulas: ../reference/softmax.py.
#include "common.cuh"

// y = exp(x − m) / Σ exp(x − m): one pass for m and the sum, a second (from the cache) for the result.
KERNEL softmax(const T *__restrict__ x, T *__restrict__ y, long long columns)
{
    const T *row = x + blockIdx.x * columns;
    T *out = y + blockIdx.x * columns;
    Exponentials all = exponentials(columns, [&](long long j) { return wide(row[j]); });
    for_columns(columns, [&](long long j) { store(out[j], exp(wide(row[j]) - all.largest) / all.sum); });
}

// y = x − m − log Σ exp(x − m)
KERNEL log_softmax(const T *__restrict__ x, T *__restrict__ y, long long columns)
{
    const T *row = x + blockIdx.x * columns;
    T *out = y + blockIdx.x * columns;
    Exponentials all = exponentials(columns, [&](long long j) { return wide(row[j]); });
    A log_sum = log(all.sum);
    for_columns(columns, [&](long long j) { store(out[j], wide(row[j]) - all.largest - log_sum); });
}

// dx = y (dy − Σ dy y)
KERNEL softmax_backward(const T *__restrict__ dy, const T *__restrict__ y, T *__restrict__ dx, long long columns)
{
    long long start = blockIdx.x * columns;
    A mine = 0;
    for_columns(columns, [&](long long j) { mine += wide(dy[start + j]) * wide(y[start + j]); });
    A along = sum_over_block(mine);
    for_columns(columns, [&](long long j) {
        store(dx[start + j], wide(y[start + j]) * (wide(dy[start + j]) - along));
    });
}

// dx = dy − exp(y) Σ dy
KERNEL log_softmax_backward(const T *__restrict__ dy, const T *__restrict__ y, T *__restrict__ dx, long long columns)
{
    long long start = blockIdx.x * columns;
    A mine = 0;
    for_columns(columns, [&](long long j) { mine += wide(dy[start + j]); });
    A total = sum_over_block(mine);
    for_columns(columns, [&](long long j) {
        store(dx[start + j], wide(dy[start + j]) - exp(wide(y[start + j])) * total);
    });
}
