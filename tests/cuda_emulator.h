// A GPU's blocks of threads on one processor core, so that CUDA sources can be compiled by any C++ compiler and run.
//
// Every thread of a block is a coroutine. It hands over to the next at __syncthreads, where the block waits, and at an
// exchange, where its warp waits; warps, threads and blocks run one after another, each as far as it may, forwards or
// backwards, so that a result which depends on the order (a race) is found out. A thread that ends, or waits elsewhere,
// while others wait for it is an error.

#define EMULATED
#define __device__
#define __global__
#define __shared__ static
#define __launch_bounds__(threads)

#include <math.h>
#include <setjmp.h>
#include <string.h>
#include <ucontext.h>

#include <type_traits>
#include <utility>
#include <vector>

struct Index { unsigned x, y, z; };
static Index threadIdx, blockIdx, blockDim, gridDim;

static unsigned __float_as_uint(float x) { unsigned bits; memcpy(&bits, &x, 4); return bits; }
static float __uint_as_float(unsigned bits) { float x; memcpy(&x, &bits, 4); return x; }

// A half has 5 bits of exponent (bias 15) and 10 of mantissa, a float 8 (bias 127) and 23; below 2⁻¹⁴ halves are
// multiples of 2⁻²⁴.
static float half_to_float(unsigned short bits)
{
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    float size = exponent == 31 ? (mantissa ? NAN : INFINITY)
                                : ldexpf(exponent ? mantissa + 1024 : mantissa, (exponent ? exponent : 1) - 25);
    return bits >> 15 ? -size : size;
}

static unsigned short float_to_half(float x)
{
    unsigned sign = __float_as_uint(x) >> 31 << 15;
    float size = fabsf(x);
    if (size != size) return 0x7fff;
    if (size == 0) return sign;
    if (size >= 65520) return sign | 31 << 10;
    int exponent;
    frexpf(size, &exponent);
    if (exponent < -13) exponent = -13;
    unsigned steps = (unsigned)nearbyintf(ldexpf(size, 11 - exponent));  // ties to even, as the mode of rounding is
    return sign | (steps + ((exponent + 13) << 10));
}

namespace emulator {

const int STACK = 1 << 16, WARP = 32;
enum State { RUNNING, AT_BARRIER, AT_EXCHANGE, DONE };

struct Thread {
    ucontext_t context;  // where it begins; from then on its place is `here`, which is quicker to come back to
    jmp_buf here;
    State state;
    bool begun;
    std::vector<char> stack = std::vector<char>(STACK);
};

static std::vector<Thread *> threads;
static jmp_buf scheduler;
static Thread *current;
static double exchanged[1024];
static void (*body)();

static void wait(State where)
{
    current->state = where;
    if (!_setjmp(current->here)) _longjmp(scheduler, 1);
}

static void go_on(Thread *thread)
{
    current = thread;
    if (_setjmp(scheduler)) return;
    if (thread->begun) _longjmp(thread->here, 1);
    thread->begun = true;
    setcontext(&thread->context);
}

static void thread_main()
{
    body();
    wait(DONE);
}

// A warp, which alone waits for its exchanges, as far as the next barrier; false where its threads part ways.
static bool run_warp(int first, bool backwards)
{
    do {
        for (int i = 0; i < WARP; i++) {
            int t = first + (backwards ? WARP - 1 - i : i);
            threadIdx = {(unsigned)t, 0, 0};
            go_on(threads[t]);
        }
        for (int t = first; t < first + WARP; t++)
            if (threads[t]->state != threads[first]->state) return false;
    } while (threads[first]->state == AT_EXCHANGE);
    return true;
}

// A block; false where its threads part ways.
static bool run_block(int n, bool backwards)
{
    while ((int)threads.size() < n) threads.push_back(new Thread);
    for (int t = 0; t < n; t++) {
        Thread *thread = threads[t];
        getcontext(&thread->context);
        thread->context.uc_stack.ss_sp = thread->stack.data();
        thread->context.uc_stack.ss_size = STACK;
        thread->context.uc_link = nullptr;
        thread->state = RUNNING, thread->begun = false;
        makecontext(&thread->context, thread_main, 0);
    }
    while (true) {
        for (int w = 0; w < n / WARP; w++)
            if (!run_warp((backwards ? n / WARP - 1 - w : w) * WARP, backwards)) return false;
        for (int t = 0; t < n; t += WARP)
            if (threads[t]->state != threads[0]->state) return false;
        if (threads[0]->state == DONE) return true;
    }
}

struct Given { long long word; int item; };  // item: bytes of an array's element; 0 for an integer, -1 for a real number

template <class P> bool fits(Given given)
{
    bool is_null = given.item == 0 && given.word == 0;
    if (std::is_pointer<P>::value) return is_null || given.item == sizeof(typename std::remove_pointer<P>::type);
    return given.item == (std::is_floating_point<P>::value ? -1 : 0);
}

template <class P> P argument(Given given)
{
    static_assert(sizeof(P) == 8, "what Python hands over has 64 bits");
    P p;
    memcpy(&p, &given.word, 8);
    return p;
}

template <class... P, size_t... I>
int launch(void (*kernel)(P...), long long blocks, int n, bool backwards, const Given *given, std::index_sequence<I...>)
{
    static void (*chosen)(P...);
    static const Given *arguments;
    int wrong = 0, place = 0;
    ((wrong = !wrong && (++place, !fits<P>(given[I])) ? place : wrong), ...);
    if (wrong) return wrong;
    chosen = kernel, arguments = given;
    body = [] { chosen(argument<P>(arguments[I])...); };
    blockDim = {(unsigned)n, 1, 1}, gridDim = {(unsigned)blocks, 1, 1};
    for (long long b = 0; b < blocks; b++) {
        blockIdx = {(unsigned)(backwards ? blocks - 1 - b : b), 0, 0};
        if (!run_block(n, backwards)) return -1;
    }
    return 0;
}

template <class... P>
int run(void (*kernel)(P...), long long blocks, int n, bool backwards, const Given *given, int count)
{
    if (count != sizeof...(P)) return -2;
    return launch(kernel, blocks, n, backwards, given, std::index_sequence_for<P...>());
}

}  // namespace emulator

static void __syncthreads() { emulator::wait(emulator::AT_BARRIER); }

template <class V> V __shfl_xor_sync(unsigned, V value, int mask)
{
    unsigned me = threadIdx.x;
    memcpy(&emulator::exchanged[me], &value, sizeof value);
    emulator::wait(emulator::AT_EXCHANGE);
    V other;
    memcpy(&other, &emulator::exchanged[me ^ mask], sizeof other);
    emulator::wait(emulator::AT_EXCHANGE);
    return other;
}
