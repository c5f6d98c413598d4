// The embedding's gradient: row r of the table receives the sum of dy over the places where ids is r.
//
// Added as they come, equal ids would meet in one row and their order would be chance. So the places are sorted by id:
// equal ids then form runs, and a run is added up from its first place to its last. A run may be long (the most
// frequent token), so the places are cut into chunks of CHUNK, one block of threads each. A run inside a chunk goes to
// the table at once; of one that is cut, each chunk leaves its piece in `pieces`, and a second kernel adds those up.
#include "common.cuh"

__device__ const long long CHUNK = 64;

// pieces[chunk, 0]: of the run that began before this chunk; pieces[chunk, 1]: of one that begins here and goes on.
KERNEL add_runs(const long long *__restrict__ ids, const long long *__restrict__ places, const T *__restrict__ dy,
                T *__restrict__ table, A *__restrict__ pieces, long long n, long long columns)
{
    long long first = blockIdx.x * CHUNK, end = first + CHUNK < n ? first + CHUNK : n;
    for (long long j = threadIdx.x; j < columns; j += blockDim.x) {
        A sum = 0;
        bool began_before = first > 0 && ids[first - 1] == ids[first];
        for (long long place = first; place < end; place++) {
            long long id = ids[place];
            sum += wide(dy[places[place] * columns + j]);
            bool goes_on = place + 1 < n && ids[place + 1] == id;
            if (goes_on && place + 1 < end) continue;
            T &entry = table[id * columns + j];
            if (began_before)
                pieces[2 * blockIdx.x * columns + j] = sum;
            else if (goes_on)
                pieces[(2 * blockIdx.x + 1) * columns + j] = sum;
            else
                store(entry, wide(entry) + sum);
            sum = 0;
            began_before = false;
        }
    }
}

// A block whose chunk ends within a run that began there adds that run's pieces, from chunk to chunk.
KERNEL add_pieces(const long long *__restrict__ ids, T *__restrict__ table, const A *__restrict__ pieces, long long n,
                  long long columns)
{
    long long first = blockIdx.x * CHUNK, end = first + CHUNK;
    if (end >= n || ids[end] != ids[end - 1]) return;
    long long id = ids[end];
    if (first > 0 && ids[first - 1] == id) return;
    for (long long j = threadIdx.x; j < columns; j += blockDim.x) {
        A sum = pieces[(2 * blockIdx.x + 1) * columns + j];
        for (long long chunk = blockIdx.x + 1; chunk * CHUNK < n && ids[chunk * CHUNK] == id; chunk++)
            sum += pieces[2 * chunk * columns + j];
        T &entry = table[id * columns + j];
        store(entry, wide(entry) + sum);
    }
}
