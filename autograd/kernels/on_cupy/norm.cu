// Layer normalization and, with centred = 0, root-mean-square normalization, whose mean is taken to be 0: a block of
// threads for each row. The derivations: ../reference/norm.py.
#include "common.cuh"

// y = x̂ · weight + bias, x̂ = (x − μ) s, s = 1/√(mean((x − μ)²) + eps). weight and bias may be null.
KERNEL normalize(const T *__restrict__ x, const T *__restrict__ weight, const T *__restrict__ bias, T *__restrict__ y,
                 A *__restrict__ means, A *__restrict__ inverse_stds, long long columns, double eps, long long centred)
{
    const T *row = x + blockIdx.x * columns;
    T *out = y + blockIdx.x * columns;
    A mean = 0, sum = 0, squares = 0;
    if (centred) {
        for_columns(columns, [&](long long j) { sum += wide(row[j]); });
        mean = sum_over_block(sum) / columns;
    }
    for_columns(columns, [&](long long j) {
        A distance = wide(row[j]) - mean;
        squares += distance * distance;
    });
    A inverse_std = 1 / sqrt(sum_over_block(squares) / columns + (A)eps);
    for_columns(columns, [&](long long j) {
        A normalized = (wide(row[j]) - mean) * inverse_std;
        if (weight) normalized *= wide(weight[j]);
        store(out[j], bias ? normalized + wide(bias[j]) : normalized);
    });
    if (threadIdx.x == 0) {
        means[blockIdx.x] = mean;
        inverse_stds[blockIdx.x] = inverse_std;
    }
}

// dx = s (n − mean(n) − x̂ mean(n x̂)), n = dy · weight; without the middle term where nothing was centred.
KERNEL normalize_backward(const T *__restrict__ dy, const T *__restrict__ x, const T *__restrict__ weight,
                          const A *__restrict__ means, const A *__restrict__ inverse_stds, T *__restrict__ dx,
                          long long columns, long long centred)
{
    long long start = blockIdx.x * columns;
    A mean = means[blockIdx.x], inverse_std = inverse_stds[blockIdx.x];
    auto n = [&](long long j) { return weight ? wide(dy[start + j]) * wide(weight[j]) : wide(dy[start + j]); };
    auto normalized = [&](long long j) { return (wide(x[start + j]) - mean) * inverse_std; };
    A sum = 0, products = 0;
    for_columns(columns, [&](long long j) {
        sum += n(j);
        products += n(j) * normalized(j);
    });
    A level = centred ? sum_over_block(sum) / columns : 0;
    A along = sum_over_block(products) / columns;
    for_columns(columns, [&](long long j) {
        store(dx[start + j], inverse_std * (n(j) - level - normalized(j) * along));
    });
}
