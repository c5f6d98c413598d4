// Dropout, forward and backward: no mask is stored, since element n's random bits can be made again at any time.
#include "common.cuh"

// y = x · keep / (1 − p); x is a piece of a larger array, whose first element is number `start` of it.
KERNEL dropout(const T *__restrict__ x, T *__restrict__ y, long long n, long long start, long long threshold,
               double grow, long long high, unsigned long long words, unsigned long long next)
{
    Random random = random_from(high, words, next);
    for_elements(n, [&](long long i) {
        store(y[i], wide(x[i]) * keep_factor(random, start + i, threshold, grow));
    });
}
