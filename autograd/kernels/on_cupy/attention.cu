// What happens between attention's products of matrices: scores become weights, and back. How the work is cut into
// blocks: attention.py. The derivation: ../reference/attention.py.
//
// A block of threads serves one query of one head. `scores` (heads, queries, seen) holds q kᵀ/√D for some heads, the
// queries from first_query, and the keys that the last of these queries sees. Heads are counted as (batch, key head),
// of which each has `shared` query heads, here number `which`.
#include "common.cuh"

struct Strides { long long batch, head, query, key; };

struct Query {
    long long batch, head, query, number;  // number: of its first weight in the whole (B, H, Tq, Tk)
    long long last_key;                    // that it may see, were there no mask

    __device__ long long place(Strides strides) const
    {
        return batch * strides.batch + head * strides.head + query * strides.query;
    }
};

__device__ inline Query this_query(long long queries, long long first_query, long long first_head, long long which,
                                   long long shared, long long heads, long long tq, long long tk, bool causal)
{
    long long head = (first_head + blockIdx.x / queries) * shared + which;
    long long query = first_query + blockIdx.x % queries;
    long long last_key = causal ? tk - tq + query : tk - 1;
    return {head / heads, head % heads, query, (head * tq + query) * tk, last_key};
}

// S = q kᵀ/√D + bias, −∞ where the query may not look.
__device__ inline A score(const A *row, long long j, const Query &query, const bool *mask, Strides of_mask,
                          const T *bias, Strides of_bias)
{
    if (j > query.last_key) return minus_infinity();
    if (mask && !mask[query.place(of_mask) + j * of_mask.key]) return minus_infinity();
    return bias ? row[j] + wide(bias[query.place(of_bias) + j * of_bias.key]) : row[j];
}

// weights = softmax(S) ∘ keep, which may lie where the scores lay; log_sums = log Σ exp S, from which the backward makes
// the weights again. A query that may look nowhere has weights 0.
KERNEL attention_weights(
    const A *scores, T *weights, A *__restrict__ log_sums, long long queries, long long seen, long long first_query,
    long long first_head, long long which, long long shared, long long heads, long long tq, long long tk,
    long long causal, const bool *__restrict__ mask, long long mask_batch, long long mask_head, long long mask_query,
    long long mask_key, const T *__restrict__ bias, long long bias_batch, long long bias_head, long long bias_query,
    long long bias_key, long long threshold, double grow, long long high, unsigned long long words,
    unsigned long long next)
{
    Query query = this_query(queries, first_query, first_head, which, shared, heads, tq, tk, causal);
    Strides of_mask = {mask_batch, mask_head, mask_query, mask_key};
    Strides of_bias = {bias_batch, bias_head, bias_query, bias_key};
    Random random = random_from(high, words, next);
    const A *row = scores + blockIdx.x * seen;
    T *out = weights + blockIdx.x * seen;
    auto s = [&](long long j) { return score(row, j, query, mask, of_mask, bias, of_bias); };
    Exponentials all = exponentials(seen, s);
    for_columns(seen, [&](long long j) {
        A weight = exp(s(j) - all.largest) / all.sum;
        if (threshold > 0) weight *= keep_factor(random, query.number + j, threshold, grow);
        store(out[j], weight);
    });
    if (threadIdx.x == 0) log_sums[query.number / tk] = all.largest + log(all.sum);
}

// P = exp(S − log Σ exp S). used = P ∘ keep, which dv needs, and dscores = P ∘ (dP ∘ keep − Σⱼ dPⱼ keepⱼ Pⱼ), the sum
// being dy · y (`along`). They may lie where the scores and dP lay.
KERNEL attention_gradient(
    const A *scores, const A *dweights, T *used, T *dscores, const A *__restrict__ log_sums,
    const A *__restrict__ along, long long queries, long long seen, long long first_query, long long first_head,
    long long which, long long shared, long long heads, long long tq, long long tk, long long causal,
    const bool *__restrict__ mask, long long mask_batch, long long mask_head, long long mask_query, long long mask_key,
    const T *__restrict__ bias, long long bias_batch, long long bias_head, long long bias_query, long long bias_key,
    long long threshold, double grow, long long high, unsigned long long words, unsigned long long next)
{
    Query query = this_query(queries, first_query, first_head, which, shared, heads, tq, tk, causal);
    Strides of_mask = {mask_batch, mask_head, mask_query, mask_key};
    Strides of_bias = {bias_batch, bias_head, bias_query, bias_key};
    Random random = random_from(high, words, next);
    long long start = blockIdx.x * seen;
    A log_sum = log_sums[query.number / tk], sum = along[query.number / tk];
    for_columns(seen, [&](long long j) {
        A weight = exp(score(scores + start, j, query, mask, of_mask, bias, of_bias) - log_sum);
        A keep = threshold > 0 ? keep_factor(random, query.number + j, threshold, grow) : 1;
        A dweight = dweights[start + j];
        store(used[start + j], weight * keep);
        store(dscores[start + j], weight * (dweight * keep - sum));
    });
}

// along = dy · y, for each query: D products in place of the Tk of Σⱼ dPⱼ Pⱼ.
KERNEL attention_along(const T *__restrict__ dy, const T *__restrict__ y, A *__restrict__ along, long long channels)
{
    long long start = blockIdx.x * channels;
    A mine = 0;
    for_columns(channels, [&](long long j) { mine += wide(dy[start + j]) * wide(y[start + j]); });
    A sum = sum_over_block(mine);
    if (threadIdx.x == 0) along[blockIdx.x] = sum;
}
