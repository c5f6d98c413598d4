// Sums over rows: the gradients of what was added to every row, or multiplied every normalized row.
#include "common.cuh"

// sums[part, j] = Σ dy[i, j] and products[part, j] = Σ dy[i, j] x̂[i, j] over the rows i of a part; either may be null.
// A thread takes a column, so that neighbours read neighbours. Parts are added afterwards, in order.
KERNEL column_sums(const T *__restrict__ dy, const T *__restrict__ x, const A *__restrict__ means,
                   const A *__restrict__ inverse_stds, A *__restrict__ products, A *__restrict__ sums, long long rows,
                   long long columns, long long rows_of_part)
{
    long long tiles = (columns + blockDim.x - 1) / blockDim.x;
    long long part = blockIdx.x / tiles, j = blockIdx.x % tiles * blockDim.x + threadIdx.x;
    if (j >= columns) return;
    long long first = part * rows_of_part, end = first + rows_of_part < rows ? first + rows_of_part : rows;
    A sum = 0, product = 0;
#pragma unroll 4
    for (long long i = first; i < end; i++) {
        A g = wide(dy[i * columns + j]);
        sum += g;
        if (products) product += g * (wide(x[i * columns + j]) - means[i]) * inverse_stds[i];
    }
    if (sums) sums[part * columns + j] = sum;
    if (products) products[part * columns + j] = product;
}

// y[i, j] += bias[j]: a block of threads for each row, since to find j by dividing would take longer than the addition
KERNEL add_to_rows(T *__restrict__ y, const T *__restrict__ bias, long long columns)
{
    T *row = y + blockIdx.x * columns;
    for_columns(columns, [&](long long j) { store(row[j], wide(row[j]) + wide(bias[j])); });
}
