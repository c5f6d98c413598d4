"""Mistakes that a backward can have, each as a text to replace in one file, and the tests that must notice.

A sign, a missing term, a transposed operand, a dropped broadcast sum, a wrong axis, a lost +=, a missing scale.
mutate.py plants them one at a time.
"""

from __future__ import annotations

from shutil import which

from mutant import mutants
from mutants_of_generation import GENERATION, READING

KERNELS, ENGINE, ERRORS, ADAM = "test_kernels", "test_engine", "test_engine_errors", "test_adam"
DEVICE, HALF, MIXED = "test_train_on_device", "test_precision", "test_mixed_precision"
CUDA_TESTS = "test_cuda_kernels"

ELEMENTARY = [
    *mutants(
        "autograd/ops/elementwise.py",
        ("lambda g: (g, -g))", "lambda g: (g, g))", "subtract"),
        ("lambda g: (g * y, g * x))", "lambda g: (g * x, g * y))", "multiply"),
        ("-g * x / (y * y)", "g * x / (y * y)", "divide"),
        ("-g * x / (y * y)", "-g * x / y", "divide"),
        ("g * y * x ** xp.where(y == 0, 1, y - 1)", "g * y * x ** y", "power"),
        ("xp.where(y == 0, 1, y - 1)", "(y - 1)", "power"),
        ("g * z * xp.log(", "g * y * xp.log(", "power"),
        ("lambda g: (-g,))", "lambda g: (g,))", "negative"),
        ("lambda g: (g * y,))", "lambda g: (g,))", "exp"),
        ("lambda g: (g / x,))", "lambda g: (g * x,))", "log"),
        ("lambda g: (g / (2 * y),))", "lambda g: (g / y,))", "sqrt"),
        ("g * xp.cos(x)", "g * xp.sin(x)", "sin"),
        ("-g * xp.sin(x)", "g * xp.sin(x)", "cos"),
        ("g * xp.sign(x)", "g", "abs"),
        ("g * (1 - y * y)", "g * (1 - y)", "tanh"),
        ("g * (x > 0)", "g * (x < 0)", "relu"),
        ("g * y * (1 - y)", "g * y", "sigmoid"),
        ("return (x == y) * 0.5", "return x == y", "maximum"),
        ("g * ((y > x) + tie)", "g * ((x > y) + tie)", "maximum"),
        ("g * ((y < x) + tie)", "g * ((x < y) + tie)", "minimum"),
        ("minimum(a, a_max)", "maximum(a, a_max)", "clip"),
        ("g * ~condition", "g * condition", "where"),
    ),
    *mutants(
        "autograd/ops/reductions.py",
        ("_spread(g / _count(shape, axis), shape", "_spread(g, shape", "mean"),
        ("* equal / equal.sum(axis=axis, keepdims=True)", "* equal", "max"),
        ("2 * g / _count(", "g / _count(", "var"),
        ("centred = x - x.mean(axis=axis, keepdims=True)", "centred = x - x.mean()", "var"),
    ),
    *mutants(
        "autograd/ops/shapes.py",
        ("g.reshape(before)", "g.reshape(before[::-1]).T", "reshape"),
        ("back = tuple(order.index(i) for i in range(a.ndim))", "back = order", "transpose"),
        ("for i, j in pairwise(ends)]\n\n    return record", "for i, j in pairwise(ends)][::-1]\n\n    return record",
         "concatenate"),
        ("[g[(*before, i)] for", "[g[(*before, 0)] for", "stack"),
    ),
    *mutants(
        "autograd/ops/products.py",
        ("da = g @ right.swapaxes(-1, -2)", "da = g @ right", "matmul"),
        ("db = left.swapaxes(-1, -2) @ g", "db = left @ g", "matmul"),
        ("db = left.reshape(rows, left.shape[-1]).T @ g.reshape(rows, g.shape[-1])",
         "db = left[(0,) * (left.ndim - 2)].T @ g[(0,) * (g.ndim - 2)]", "matmul"),
    ),
    *mutants(
        "autograd/einsum.py",
        ("elsewhere = set(output).union(", "elsewhere = set().union(", "einsum"),
        ("    if letters == inputs[i]:\n", "    if True:\n", "einsum"),
        ("gradient.sum(axis=stretched, keepdims=True)", "gradient", "einsum"),
        ('xp.einsum(f"{inputs[i]}->{letters}", full)[...]', "full[...]", "einsum"),
    ),
]  # fmt: skip

BACKWARD = [
    *mutants(
        "autograd/tensor.py",
        ("            if uses[parent] == 0:\n", "            if True:\n", "diamond", ENGINE),
        ("last=uses[parent] == 0", "last=True", "on_leaf", ENGINE),
        ("self.grad += cotangent", "self.grad = cotangent", "gradients_add", ENGINE),
        ("cotangent.add_to(self.grad)", "cotangent.write_to(self.grad)", "gradients_add", ENGINE),
        ("else cotangent.copy()", "else cotangent", "share_a_gradient", ENGINE),
        ("cotangent.write_to(self.grad_buffer)", "cotangent.add_to(self.grad_buffer)", "buffer", ENGINE),
        ("node.vjp, node.parents, node.guards = None, (), ()", "pass", "dies_with", ENGINE),
        ("if guard.is_broken():", "if False:", "changed", ERRORS),
        ("result.data.setflags(write=False)", "pass", "read_only", ERRORS),
    ),
    *mutants(
        "autograd/kernels/deposit.py",
        ("array_module(buffer).add.at(total, self.index, wide(self.source))", "buffer[self.index] += self.source",
         "getitem"),
        ("            buffer[self.index] += self.source", "            buffer[self.index] = self.source", "getitem"),
        ("self.source, buffer, beta=1.0)", "self.source, buffer, beta=0.0)", "linear"),
        ("x.sum(axis=repeated, keepdims=True)", "x.mean(axis=repeated, keepdims=True)", "multiply"),
        ("x.sum(axis=tuple(range", "x.mean(axis=tuple(range", "multiply"),
        ("self.total + cotangent, True", "cotangent, True", "add"),
        ("        elif self.ours:", "        elif True:", "add"),
        ("if start != end:", "if start > end:", "getitem"),
        ("        if self.regions:\n", "        if False:\n", "getitem"),
    ),
]  # fmt: skip

COMPOSED = mutants(
    "autograd/composed.py",
    ("return y if bias is None else y + bias", "return y if bias is None else y - bias", "linear"),
    ("return e / where(total.data == 0, 1.0, total)", "return e / where(total.data == 0, 1.0, total.data)", "softmax"),
    ("log(where(total.data == 0, 1.0, total))", "log(where(total.data == 0, 1.0, total.data))", "log_softmax"),
    ("centred = x - mean(x, ", "centred = x - mean(x.data, ", "layer_norm"),
    ("- label_smoothing * mean(log_p, axis=1)", "+ label_smoothing * mean(log_p, axis=1)", "cross_entropy"),
    ("/ math.sqrt(q.shape[-1])", "/ q.shape[-1]", "attention"),
)

REFERENCE = [
    *mutants(
        "autograd/kernels/reference/softmax.py",
        ("y * (dy - (dy * y).sum(", "y * (dy - dy.sum(", "softmax"),
        ("exp(y) * dy.sum(axis=axis, keepdims=True)", "exp(y) * dy", "log_softmax"),
    ),
    *mutants(
        "autograd/kernels/reference/cross_entropy.py",
        ("chosen] -= 1 - label_smoothing", "chosen] -= 1", "cross_entropy"),
        (" - label_smoothing / v", "", "cross_entropy"),
        ("xp.where(counts[:, None], difference * dlosses[:, None], 0)", "difference * dlosses[:, None]",
         "cross_entropy"),
    ),
    *mutants(
        "autograd/kernels/reference/norm.py",
        (" - normalized * along)", ")", "layer_norm"),
        ("n - n.mean(axis=-1, keepdims=True) -", "n -", "layer_norm"),
        ("dweight = (dy * normalized).sum(axis=leading)", "dweight = dy.sum(axis=leading)", "layer_norm"),
        ("inverse_rms * (n - normalized *", "inverse_rms * (n + normalized *", "rms_norm"),
    ),
    *mutants(
        "tinygpt/model/positions.py",
        ("a * cos - b * sin", "a * cos + b * sin", "turn", "test_positions"),
        ("-8 * xp.arange(1, self.n_head + 1)", "-8 * xp.arange(self.n_head)", "alibi", "test_positions"),
        ("rows = xp.where(distances > 0, n, 0)", "rows = xp.where(distances >= 0, n, 0)", "T5", "test_positions"),
    ),
    *mutants(
        "tinygpt/text/tokenizer/stitching.py",
        ("(place < until[part])", "(place <= until[part])", "long_pieces", "test_tokenizer_columns"),
    ),
    *mutants(
        "autograd/kernels/reference/activation.py",
        ("(1 + 3 * CUBIC * x * x)", "(1 + CUBIC * x * x)", "gelu"),
        (" + x * density)", ")", "gelu"),
        ("dy * (2 / math.sqrt(math.pi)) *", "dy *", "erf"),
    ),
    *mutants(
        "autograd/kernels/reference/attention.py",
        ("used.swapaxes(-1, -2) @ dy", "used @ dy", "attention"),
        ("@ _repeat_heads(k, heads) * scale", "@ _repeat_heads(k, heads)", "attention"),
        ("dweights = dweights * factors", "pass", "attention"),
        (".reshape(b, groups, h // groups, t, d).sum(axis=2)", ".reshape(b, groups, h // groups, t, d).mean(axis=2)",
         "attention"),
    ),
    *mutants(
        "autograd/kernels/reference/linear.py",
        ("dbias = dy.sum(axis=leading)", "dbias = dy.mean(axis=leading)", "linear"),
        ("return dx, dweight.T if transposed and needs_weight else dweight,", "return dx, dweight,", "linear"),
    ),
    *mutants("autograd/kernels/reference/dropout.py", ("return dy * saved", "return dy", "dropout")),
    *mutants("autograd/kernels/reference/embedding.py",
             ("xp.add.at(dtable, ids, dy)", "dtable[ids] += dy", "embedding")),
    *mutants("autograd/kernels/reference/adam.py",
             ("m_hat = new_m / (1 - beta1**step)", "m_hat = new_m", "Adam", KERNELS)),
]  # fmt: skip

FAST = [
    *mutants(
        "autograd/kernels/on_numpy/softmax.py",
        ("flat_dx[i:j] *= flat_y[i:j]", "pass", "softmax"),
        ("out += flat_dy[i:j]", "pass", "log_softmax"),
    ),
    *mutants(
        "autograd/kernels/on_numpy/cross_entropy.py",
        ("out -= (label_smoothing / v * factors[i:j])[:, None]", "pass", "cross_entropy"),
        ("if not counts[i:j].all():", "if False:", "cross_entropy"),
    ),
    *mutants(
        "autograd/kernels/on_numpy/norm.py",
        ("out -= level[:, None]", "pass", "layer_norm"),
        ("ones(c, dy.dtype) if weight is None else weight", "ones(c, dy.dtype)", "layer_norm"),
        ("weight_parts[number])\n        if needs_bias", "weight_parts[0])\n        if needs_bias",
         "layer_norm", KERNELS),
        ("weight_parts[number])\n        if not needs_x", "weight_parts[0])\n        if not needs_x",
         "rms_norm", KERNELS),
    ),
    *mutants(
        "autograd/kernels/on_numpy/activation.py",
        ("out += phi", "pass", "gelu"),
        ("out *= square", "pass", "gelu"),
    ),
    *mutants("autograd/kernels/on_numpy/dropout.py", ("dx[i:j] *= grow", "pass", "dropout")),
    *mutants("autograd/kernels/on_numpy/embedding.py", ("buffer[i] += row", "buffer[i] = row", "embedding")),
    *mutants(
        "autograd/kernels/on_numpy/linear.py",
        ("(flat, rows) if transposed", "(rows, flat) if transposed", "linear"),
        ("out += left @ right", "out[...] = left @ right", "linear"),
        ("dbias = np.ones(len(flat), dtype=flat.dtype) @ flat", "dbias = flat[0]", "linear"),
    ),
    *mutants(
        "autograd/kernels/on_numpy/attention.py",
        ("dscores *= keep", "pass", "attention"),
        ("dscores -= np.vecdot", "np.vecdot", "attention"),
        ("gradient *= job.scale", "pass", "attention"),
        ("part += product if", "part[...] = product if", "attention", KERNELS),
        ("part += dscores.sum(axis=repeated, keepdims=True)", "part[...] = dscores.sum(axis=repeated, keepdims=True)",
         "attention", KERNELS),
    ),
    *mutants(
        "autograd/kernels/on_numpy/adam.py",
        ("rate = lr * root", "rate = lr", "Adam", KERNELS),
        ("p *= 1 - lr * weight_decay", "pass", "Adam", KERNELS),
    ),
]  # fmt: skip

TRAINING = [
    *mutants("tinygpt/train/flat.py", ("p.grad_buffer[...] = 0", "pass", "", ADAM)),
    *mutants(
        "tinygpt/train/clip.py",
        ("max_norm / (norm + SAFE)", "max_norm", "", ADAM),
        ("xp.where(xp.isfinite(norm), factor, xp.nan)", "factor", "finite", DEVICE),
    ),
    *mutants("tinygpt/train/adam.py", ("if is_numpy(norm):", "if True:", "ten_steps and bigram", DEVICE)),
    *mutants("tinygpt/train/loop.py", ("append(loss_sum.data)", "append(loss_sum.item())", "leak", DEVICE)),
    *mutants(
        "autograd/functional.py",
        ('check_range("embedding", ids, table.shape[0])\n    ids = _beside(table, ids)',
         'ids = _beside(table, ids)\n    check_range("embedding", ids, table.shape[0])', "bigram", DEVICE),
    ),
    *mutants("tinygpt/model/positions.py", ("array_module(queries)", "array_module(like.data)", "gpt-t5", DEVICE)),
    *mutants("tinygpt/train/adam.py", ("(slice(n, None), 0.0)", "(slice(n, None), self.weight_decay)", "", ADAM)),
]

CUDA = [  # the emulator needs a C++ compiler, without which no mistake in these can be noticed
    *mutants(
        "autograd/kernels/on_cupy/common.cuh",
        ("    __syncthreads();  // the result before this one has been read", "", "equals and layer_norm", CUDA_TESTS),
        ("n >> 32 == random.high ? random.words : random.next", "random.words", "Random", CUDA_TESTS),
        ("if (x == minus_infinity()) return e;", "", "equals and attention", CUDA_TESTS),
    ),
    *mutants(
        "autograd/kernels/on_cupy/attention.cu",
        ("j > query.last_key", "j >= query.last_key", "equals and attention", CUDA_TESTS),
        ("dweight * keep - sum", "dweight - sum", "equals and attention", CUDA_TESTS),
    ),
    *mutants(
        "autograd/kernels/on_cupy/embedding.cu",
        ("if (began_before)", "if (false)", "Embedding", CUDA_TESTS),
        ("if (first > 0 && ids[first - 1] == id) return;", "", "Embedding", CUDA_TESTS),
    ),
    *mutants("autograd/kernels/on_cupy/norm.cu", ("centred ? sum_over_block(sum) / columns : 0", "0", "layer_norm",
                                                  CUDA_TESTS)),
    *mutants("autograd/kernels/on_cupy/products.py", ("int(right_turned), int(left_turned)",
                                                      "int(left_turned), int(right_turned)", "Products", CUDA_TESTS)),
] if which("g++") or which("clang++") else []  # fmt: skip

PROCESS = [
    *mutants(
        "autograd/kernels/cpu.py",
        ("            set_blas_threads(1)\n", "            pass\n", "afterwards", "test_cpu"),
        ("                set_blas_threads(_usual)", "                pass", "afterwards", "test_cpu"),
        ("            _usual = blas_threads()", "            pass", "afterwards", "test_cpu"),
        ("other.exception()", "pass", "nobody_works", "test_cpu"),
        ("after_in_child=_after_fork", "after_in_child=list", "fork", "test_cpu"),
        ("for directory in (place, *place.parents)", "for directory in (root,)", "quotas", "test_cpu"),
    ),
    *mutants("autograd/kernels/on_numpy/attention.py", ("alone=dbias is not None", "alone=False", "bias", KERNELS)),
    *mutants("autograd/kernels/on_numpy/adam.py", ("with one_blas_thread():", "if True:", "norm_does", KERNELS)),
    *mutants(
        "autograd/guard.py",
        ("int(words.sum()), ", "", "one_element", ERRORS),
        ("words[:: len(words) // SAMPLE].tobytes(), ", "", "change_places", ERRORS),
    ),
    *mutants("autograd/functional.py", ("(ids).array(ids)", "(ids).asarray(ids)", "of_the_forward", ERRORS)),
    *mutants("autograd/recompute.py", ("tuple(dict.fromkeys(parameters))", "tuple(parameters)", "", "test_recompute")),
    *mutants("tinygpt/train/loop.py", ("optimizer.zero_grad()", "pass", "from_before", "test_training")),
    *mutants("tinygpt/train/evaluate.py", ("    totals, tokens = [], 0\n    with no_grad():",
                                           "    totals, tokens = [], 0\n    if True:", "records", "test_training")),
]  # fmt: skip

PRECISION = [
    *mutants(
        "autograd/kernels/rounded.py",
        ("cross_entropy = _in_float32(", "cross_entropy = _rounded(", "losses", HALF),
        ("formula(wide(dy), saved)", "formula(dy, saved)", "weight", HALF),
        ("wide(x) if hasattr", "x if hasattr", "losses", HALF),
    ),
    *mutants(
        "autograd/tensor.py",
        ("sum_to(wide(cotangent), ", "sum_to(cotangent, ", "repeated", HALF),
        (" or (is_half(cotangent.source.dtype) and not is_half(dtype))", "", "deposit", HALF),
        ("return cotangent.array(dtype)", "return cotangent.array()", "deposit", HALF),
    ),
    *mutants(
        "autograd/composed.py", ("log_softmax(_widened(logits))", "log_softmax(logits)", "losses", HALF)
    ),
    *mutants(
        "tinygpt/train/flat.py",
        ("self.rounded[...] = self.values", "self.values[...] = self.rounded", "Master", HALF),
        ('"float32" if rounds else computing', "computing", "Master", HALF),
    ),
    *mutants(
        "tinygpt/train/adam.py",
        ("count * self.scaling.scale", "count", "divided", MIXED),
        ("self.steps if self.scaling is None else self.scaling.step", "self.steps", "skipped", MIXED),
        ("adjust(xp.isfinite(norm))", "adjust(bool(xp.isfinite(norm)))", "skipped", MIXED),
    ),
    *mutants("autograd/kernels/on_numpy/adam.py", ("if math.isnan(scale):", "if False:", "skipped", MIXED)),
    *mutants(
        "tinygpt/train/scaling.py",
        ("1.0), 0.5)", "1.0), 1.0)", "halves", MIXED),
        ("where(grows, 0.0, good)", "good", "halves", MIXED),
        ("self.counted + finite", "self.counted + 1", "halves", MIXED),
        (', "good": self.good, "counted": self.counted}', "}", "resumed", MIXED),
    ),
    *mutants(
        "tinygpt/train/loop.py",
        ("backward(optimizer.loss_scale)", "backward()", "ten_steps", MIXED),
        ("is not None and math.isfinite(loss)", "is not None", "no_scale", MIXED),
        ("float(self.scale) >= LEAST", "True", "no_scale", MIXED),
    ),
    *mutants("tinygpt/train/checkpoints.py", ("wide(optimizer.value_of(p))", "wide(p.data)", "Checkpoints", MIXED)),
]  # fmt: skip

MUTANTS = [
    *ELEMENTARY, *BACKWARD, *COMPOSED, *REFERENCE, *FAST, *CUDA, *TRAINING, *PROCESS, *PRECISION, *GENERATION, *READING,
]  # fmt: skip
