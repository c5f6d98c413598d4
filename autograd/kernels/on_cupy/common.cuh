// What the kernels share: types of numbers, loops, sums over a block of threads, softmax's denominator, random bits.
//
// A source is compiled once for each type of array elements: ELEMENT is its name in NumPy, and T stands for it below.
// Sums are kept in A: float, and double for double. 16-bit numbers are read and written, never computed with.
//
// A block has a whole number of warps (32 threads), and every kernel gives the right result for any such number. Sums
// are taken in an order that depends on the shapes alone, so that two runs give the same bits.

#ifndef ELEMENT
#define ELEMENT float32
#endif

#define MOST_THREADS 512
#define KERNEL extern "C" __global__ void __launch_bounds__(MOST_THREADS)

typedef float float32;
typedef double float64;
struct float16 { unsigned short bits; };
struct bfloat16 { unsigned short bits; };

template <class Element> struct Accumulator { typedef float type; };
template <> struct Accumulator<double> { typedef double type; };

typedef ELEMENT T;
typedef Accumulator<T>::type A;

#ifndef EMULATED  // on a processor, what these two instructions do is written out in tests/cuda_emulator.h
__device__ inline float half_to_float(unsigned short bits)
{
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
}

__device__ inline unsigned short float_to_half(float x)
{
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
}
#endif

__device__ inline float wide(float x) { return x; }
__device__ inline double wide(double x) { return x; }
__device__ inline float wide(float16 x) { return half_to_float(x.bits); }
__device__ inline float wide(bfloat16 x) { return __uint_as_float((unsigned)x.bits << 16); }

__device__ inline void store(float &to, float x) { to = x; }
__device__ inline void store(double &to, double x) { to = x; }
__device__ inline void store(float16 &to, float x) { to.bits = float_to_half(x); }

// bfloat16 is the upper half of a float. Rounded to the nearest, to even between two; not a number stays so.
__device__ inline void store(bfloat16 &to, float x)
{
    unsigned bits = __float_as_uint(x);
    bool is_nan = x != x;
    to.bits = is_nan ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

__device__ inline A minus_infinity() { return -__uint_as_float(0x7f800000); }

// f(i) for every i below n: the threads of the block share them, or those of the whole grid do.
template <class F> __device__ inline void for_columns(long long n, F f)
{
#pragma unroll 4
    for (long long i = threadIdx.x; i < n; i += blockDim.x) f(i);
}

template <class F> __device__ inline void for_elements(long long n, F f)
{
    long long step = (long long)blockDim.x * gridDim.x;
#pragma unroll 4
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step) f(i);
}

// The sum of exponentials of some numbers, relative to the largest of them: Σ exp(x) = sum · exp(largest).
struct Exponentials { A largest, sum; };

__device__ inline float from_lane(float x, int mask) { return __shfl_xor_sync(0xffffffff, x, mask); }
__device__ inline double from_lane(double x, int mask) { return __shfl_xor_sync(0xffffffff, x, mask); }
__device__ inline Exponentials from_lane(Exponentials e, int mask)
{
    return {from_lane(e.largest, mask), from_lane(e.sum, mask)};
}

// combine(…) of all threads' values, known to all threads: first within each warp, then over the warps in order.
template <class V, class Combine> __device__ V over_block(V mine, Combine combine)
{
    __shared__ V of_warp[MOST_THREADS / 32];
    for (int lanes = 16; lanes > 0; lanes /= 2) mine = combine(mine, from_lane(mine, lanes));
    __syncthreads();  // the result before this one has been read
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = mine;
    __syncthreads();
    V all = of_warp[0];
    for (int warp = 1; warp < (int)blockDim.x / 32; warp++) all = combine(all, of_warp[warp]);
    return all;
}

template <class V> __device__ inline V sum_over_block(V mine)
{
    return over_block(mine, [](V a, V b) { return a + b; });
}

// One number more. When it is the largest so far, all that came before shrinks by exp(largest − x); so one pass finds
// the maximum and the sum together (Milakov & Gimelshein 2018, "Online normalizer calculation for softmax", section 3).
__device__ inline Exponentials with_number(Exponentials e, A x)
{
    if (x > e.largest) return {x, e.sum * exp(e.largest - x) + 1};
    if (x == minus_infinity()) return e;
    return {e.largest, e.sum + exp(x - e.largest)};
}

__device__ inline Exponentials together(Exponentials a, Exponentials b)
{
    A largest = a.largest > b.largest ? a.largest : b.largest;
    A from_a = a.sum == 0 ? 0 : a.sum * exp(a.largest - largest);
    A from_b = b.sum == 0 ? 0 : b.sum * exp(b.largest - largest);
    return {largest, from_a + from_b};
}

// The exponentials of number(0) … number(n − 1), which may be −∞. Where all are, no weight is to be found: (0, 1) gives
// exp(−∞ − 0) / 1 = 0.
template <class Number> __device__ inline Exponentials exponentials(long long n, Number number)
{
    Exponentials mine = {minus_infinity(), 0};
    for_columns(n, [&](long long j) { mine = with_number(mine, number(j)); });
    Exponentials all = over_block(mine, together);
    if (all.sum == 0) return {0, 1};
    return all;
}

// Random bits: element n of a key's numbers, as Key.bits in autograd/random.py makes them. Two words of the key are mixed
// with the low 32 bits of n; the high ones choose the words. No launch meets more than two values of those.
struct Words { unsigned first, second; };
struct Random { long long high; Words words, next; };

__device__ inline unsigned mixed(unsigned h, unsigned word)
{
    h += word;
    h ^= h >> 16;
    h *= 0x85EBCA6Bu;
    h ^= h >> 13;
    h *= 0xC2B2AE35u;
    return h ^ h >> 16;
}

__device__ inline unsigned random_bits(Random random, long long n)
{
    Words words = n >> 32 == random.high ? random.words : random.next;
    return mixed(mixed((unsigned)n, words.first), words.second);
}

// As they come from Python, a word of 64 bits holding two of 32.
__device__ inline Random random_from(long long high, unsigned long long words, unsigned long long next)
{
    return {high, {(unsigned)words, (unsigned)(words >> 32)}, {(unsigned)next, (unsigned)(next >> 32)}};
}

// A dropped element is multiplied by 0, one that is kept by 1/(1 − p): threshold = p · 2³².
__device__ inline A keep_factor(Random random, long long n, long long threshold, double grow)
{
    return (long long)random_bits(random, n) >= threshold ? (A)grow : (A)0;
}
