"""The kernels at the processor's speed: the names of `reference`, the same numbers to rounding.

Why is the plain formula slow? Nearly all the arithmetic of a training step is matrix products, which NumPy hands to an
optimized library (BLAS) that leaves little to gain. But the little arithmetic between them, written plainly, takes as
long as they do. GELU as it stands in the paper, over an activation of (4096, 1536):

    0.5*x*(1 + np.tanh(0.79788456*(x + 0.044715*x**3)))            332 ms
    with x*x*x (`**` calls the C library's pow for each element)     26
    in blocks that stay in the cache, in place                        8

and its gradient takes 53 ms by the formula in `reference`, 3.5 here. (These figures and those below: two cores of an
Intel Xeon, float32.) Five habits make the difference.

Blocks. An operation on a large array reads it from memory and writes it back, and memory is ten times slower than
arithmetic. A chain of ten operations on 200,000 elements at a time (`BLOCK` in ../cpu.py) does so once: meanwhile the
block stays in the core's cache. Operations write to given arrays (`out=`), so that none is allocated in between.

Memory that is kept. The allocator returns large arrays to the operating system, which zeroes each new one page by page.
Where freed memory is kept (`configure` in ../cpu.py), the plain GELU takes 20 ms instead of 26.

Every core. NumPy releases Python's global lock while it computes, so one thread for each core takes block after block.
But waking a thread costs some 70 µs, and each call holds the lock for a moment, for which the other thread may have to
wait. On an AMD EPYC two threads compute GELU in 12 ms where one takes 18, and with blocks of half the size, hence
twice the calls, layer normalization takes half as long again. Below a million elements (`WORTH_SHARING`) one thread is
as fast. Sums over blocks are stored separately and added in order, so that the bits do not depend on the number of
threads.

Nothing needless, nothing twice. The forward saves what the backward needs while it is in the cache: GELU its
derivative, attention the exponentials of short rows, or one number for each long row (attention.py); cross entropy
saves no probabilities. Attention's softmax subtracts no maximum where no row overflows. Attention takes 19 ms instead
of 47, layer normalization's gradient 4.4 instead of 7. A gradient that is not needed is not computed.

Gradients in place. A weight's gradient is a product written straight into its buffer (../deposit.py), and an embedding
adds its rows to the table's gradient: a dense gradient for 50,257 rows would take 19 ms where this takes 2.

Adam is one pass over flat buffers: 18 ms for 10.6 million parameters instead of 118.

Functions for which the reference is fast enough are imported from it. tests/benchmarks/where.py shows where the time of
a whole step goes, and how far each kernel is from the least time possible.
"""

from ..reference import erf, erf_backward
from .activation import gelu, gelu_backward
from .adam import adam_step, squared_norm
from .attention import attention, attention_backward
from .cross_entropy import cross_entropy, cross_entropy_backward
from .dropout import dropout, dropout_backward
from .embedding import embedding, embedding_backward
from .linear import linear, linear_backward
from .norm import layer_norm, layer_norm_backward, rms_norm, rms_norm_backward
from .softmax import log_softmax, log_softmax_backward, softmax, softmax_backward

__all__ = [
    "adam_step",
    "attention",
    "attention_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "dropout",
    "dropout_backward",
    "embedding",
    "embedding_backward",
    "erf",
    "erf_backward",
    "gelu",
    "gelu_backward",
    "layer_norm",
    "layer_norm_backward",
    "linear",
    "linear_backward",
    "log_softmax",
    "log_softmax_backward",
    "rms_norm",
    "rms_norm_backward",
    "softmax",
    "softmax_backward",
    "squared_norm",
]
