"""The public formulas: each is one recorded operation, computed by a pair of kernels, forward and backward.

`use(...)` and the array's device choose the room of kernels (kernels/__init__.py); `use("composed")` runs the formulas
of `composed.py` instead. Arguments are checked here, once, so that kernels need not. Every function raises TypeError
for tensors on different devices, and those that are not linear in x for an x that is not floating-point.

Ids, targets and masks may be NumPy arrays even where the tensor that they are used with is on a GPU: they are checked
on the CPU, so that nothing waits for the GPU, and then copied to it. A batch can stay on the CPU until it is used.
"""

from __future__ import annotations

from typing import Any

from . import composed, ops
from .device import Array, array_module, is_numpy, to_device
from .kernels import is_composed, room
from .ops import as_tensor, bare, same_device
from .precision import is_floating
from .random import Key
from .tensor import Tensor, record


def linear(x: Any, weight: Any, bias: Any = None, transposed: bool = False) -> Tensor:
    """y = x W + b for x (…, I), weight (I, O), bias (O,) or None → (…, O). Raises ValueError on other shapes.

    transposed: the weight is stored (O, I), as the token table is when it also serves as the output layer.
    """
    x, weight, bias = as_tensor(x), as_tensor(weight), _optional(bias)
    same_device("linear", x, weight, bias)
    layout = "(out, in)" if transposed else "(in, out)"
    if weight.ndim != 2 or x.ndim < 1 or x.shape[-1] != weight.shape[transposed]:
        raise ValueError(f"linear: x {x.shape} does not fit weight {weight.shape}, which is {layout}")
    if bias is not None and bias.shape != (weight.shape[not transposed],):
        raise ValueError(f"linear: bias {bias.shape} does not fit weight {weight.shape}, which is {layout}")
    if is_composed():
        return composed.linear(x, weight, bias, transposed)
    kernels = room(x.data)
    y, saved = kernels.linear(x.data, weight.data, _bare(bias), transposed, _needs(x, weight, bias))
    return record(y, (x, weight, bias), lambda g: kernels.linear_backward(g, saved))


def embedding(ids: Any, table: Any) -> Tensor:
    """Rows of table (V, C) for integer ids (…) → (…, C).

    Raises ValueError for a table that is not 2-D, TypeError for ids that are not integers, and IndexError for an id
    outside 0 … V − 1.
    """
    ids, table = _integers("embedding", ids), as_tensor(table)
    if table.ndim != 2:
        raise ValueError(f"embedding: the table must be (rows, channels), and its shape is {table.shape}")
    check_range("embedding", ids, table.shape[0])
    ids = _beside(table, ids)
    if is_composed():
        return composed.embedding(ids, table)
    kernels = room(table.data)
    y, saved = kernels.embedding(ids, table.data)
    return record(y, (table,), lambda g: (kernels.embedding_backward(g, saved),))


def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(xᵢ) / Σⱼ exp(xⱼ) along `axis`, for x of any shape with that axis; all zeros where every xⱼ is −∞."""
    x = _floating("softmax", x)
    if is_composed():
        return composed.softmax(x, axis)
    kernels = room(x.data)
    y, saved = kernels.softmax(x.data, axis)
    return record(y, (x,), lambda g: (kernels.softmax_backward(g, saved),))


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """xᵢ − log Σⱼ exp(xⱼ) along `axis`, for x of any shape with that axis."""
    x = _floating("log_softmax", x)
    if is_composed():
        return composed.log_softmax(x, axis)
    kernels = room(x.data)
    y, saved = kernels.log_softmax(x.data, axis)
    return record(y, (x,), lambda g: (kernels.log_softmax_backward(g, saved),))


def cross_entropy(
    logits: Any,
    targets: Any,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """−log softmax(logits)[target] in nats, for logits (…, V) and integer targets (…).

    reduction: "mean" over the targets that are not ignore_index, "sum", or "none" (one loss for each target).
    label_smoothing ε replaces the one-hot target by 1 − ε at the target plus ε/V at every class.
    Raises ValueError for shapes that do not fit, for a label_smoothing outside 0 … 1, for an unknown reduction, and
    where "mean" finds no target that counts; TypeError for targets that are not integers; IndexError for a target
    outside 0 … V − 1.
    """
    logits, targets = _floating("cross_entropy", logits), _integers("cross_entropy", targets)
    _check_cross_entropy(logits, targets, label_smoothing, reduction)
    shape, v = targets.shape, logits.shape[-1]
    rows, targets = ops.reshape(logits, (-1, v)), targets.reshape(-1)
    counted = targets[targets != ignore_index]
    check_range("cross_entropy", counted, v)
    targets = _beside(logits, targets)
    if is_composed():
        losses = composed.cross_entropy(rows, targets, ignore_index, label_smoothing)
    else:
        kernels = room(rows.data)
        y, saved = kernels.cross_entropy(rows.data, targets, ignore_index, label_smoothing)
        losses = record(y, (rows,), lambda g: (kernels.cross_entropy_backward(g, saved),))
    if reduction == "none":
        return ops.reshape(losses, shape)
    if reduction == "sum":
        return losses.sum()
    if counted.size == 0:
        raise ValueError(f"cross_entropy: no target counts (all {targets.size} are ignore_index={ignore_index})")
    return losses.sum() / counted.size


def _check_cross_entropy(logits: Tensor, targets: Array, label_smoothing: float, reduction: str) -> None:
    if logits.ndim < 1 or logits.shape[:-1] != targets.shape:
        raise ValueError(
            f"cross_entropy: logits {logits.shape} must be the targets' shape {targets.shape} plus an axis of classes"
        )
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be between 0 and 1, not {label_smoothing}")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy: reduction must be mean, sum or none, not {reduction!r}")


def layer_norm(x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """(x − mean) / √(var + eps) · weight + bias over the last axis. x (…, C); weight, bias (C,) or None.

    Raises ValueError for a weight or bias of another shape.
    """
    x, weight, bias = _floating("layer_norm", x), _optional(weight), _optional(bias)
    same_device("layer_norm", x, weight, bias)
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and t.shape != x.shape[-1:]:
            raise ValueError(f"layer_norm: {name} {t.shape} does not fit the last axis of x {x.shape}")
    if is_composed():
        return composed.layer_norm(x, weight, bias, eps)
    kernels = room(x.data)
    y, saved = kernels.layer_norm(x.data, _bare(weight), _bare(bias), eps, _needs(x, weight, bias))
    return record(y, (x, weight, bias), lambda g: kernels.layer_norm_backward(g, saved))


def rms_norm(x: Any, weight: Any, eps: float = 1e-5) -> Tensor:
    """x / √(mean(x²) + eps) · weight over the last axis. x (…, C); weight (C,). Raises ValueError on other shapes."""
    x, weight = _floating("rms_norm", x), as_tensor(weight)
    same_device("rms_norm", x, weight)
    if weight.shape != x.shape[-1:]:
        raise ValueError(f"rms_norm: weight {weight.shape} does not fit the last axis of x {x.shape}")
    if is_composed():
        return composed.rms_norm(x, weight, eps)
    kernels = room(x.data)
    y, saved = kernels.rms_norm(x.data, weight.data, eps, _needs(x, weight))
    return record(y, (x, weight), lambda g: kernels.rms_norm_backward(g, saved))


def gelu(x: Any, approximate: str = "tanh") -> Tensor:
    """x Φ(x), exactly (approximate="none") or in GPT-2's form with tanh ("tanh"). Raises ValueError otherwise."""
    x = _floating("gelu", x)
    if approximate not in ("tanh", "none"):
        raise ValueError(f"gelu: approximate must be 'tanh' or 'none', not {approximate!r}")
    if is_composed():
        return composed.gelu(x, approximate)
    kernels = room(x.data)
    y, saved = kernels.gelu(x.data, approximate, x.requires_grad)
    return record(y, (x,), lambda g: (kernels.gelu_backward(g, saved),))


def dropout(x: Any, p: float, key: Key | None) -> Tensor:
    """Zeros with probability p, the rest divided by 1 − p. Without a key (evaluation), or with p = 0, x itself.

    Raises ValueError for a p outside 0 … 1.
    """
    x = _floating("dropout", x)
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is a probability, and was {p}")
    if p == 0 or key is None:
        return x
    if is_composed():
        return composed.dropout(x, p, key)
    kernels = room(x.data)
    y, saved = kernels.dropout(x.data, p, key)
    return record(y, (x,), lambda g: (kernels.dropout_backward(g, saved),))


def attention(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    bias: Any = None,
    causal: bool = False,
    dropout: float = 0.0,
    key: Key | None = None,
) -> Tensor:
    """softmax(q kᵀ/√D + bias + M) v for q (B, H, Tq, D) and k, v (B, G, Tk, D), G dividing H → (B, H, Tq, D).

    mask: boolean, True where a query may look; broadcast to (B, H, Tq, Tk). It is not copied, so it must not change
    before the backward. bias: added to the scores, with a gradient; broadcast likewise. causal: query i sees keys up to
    Tk − Tq + i. A query that may look nowhere gives 0. Without a key there is no dropout.

    Raises ValueError for shapes that do not fit and for a dropout outside 0 … 1, and TypeError for a mask that is not
    boolean.
    """
    q, k, v = (_floating("attention", x) for x in (q, k, v))
    bias, mask = _optional(bias), bare(mask)
    _check_attention(q, k, v, mask, bias)
    mask = None if mask is None else _beside(q, mask)
    dropout = dropout if key is not None else 0.0
    if not 0 <= dropout <= 1:
        raise ValueError(f"attention: dropout is a probability, and was {dropout}")
    if is_composed():
        return composed.attention(q, k, v, mask, bias, causal, dropout, key)
    kernels = room(q.data)
    needs = _needs(q, k, v, bias)
    y, saved = kernels.attention(q.data, k.data, v.data, mask, _bare(bias), causal, dropout, key, needs)
    return record(y, (q, k, v, bias), lambda g: kernels.attention_backward(g, saved))


def _check_attention(q: Tensor, k: Tensor, v: Tensor, mask: Array | None, bias: Tensor | None) -> None:
    same_device("attention", q, k, v, bias)
    shapes = f"q {q.shape}, k {k.shape}, v {v.shape}"
    if not (q.ndim == k.ndim == v.ndim == 4) or k.shape[:3] != v.shape[:3]:
        raise ValueError(f"attention: {shapes} must be (batch, heads, time, channels), k and v alike")
    if q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3] or q.shape[3] == 0:
        raise ValueError(f"attention: {shapes}: batch and channels of q and k must agree")
    if k.shape[1] == 0 or q.shape[1] % k.shape[1]:
        raise ValueError(f"attention: {shapes}: the heads of q must be a multiple of those of k and v")
    whole = (q.shape[0], q.shape[1], q.shape[2], k.shape[2])
    if mask is not None and mask.dtype != bool:
        raise TypeError(f"attention: the mask must be boolean (True where a query may look), not {mask.dtype}")
    for name, x in (("mask", mask), ("bias", bias)):
        fits = x is None or all(m in (1, n) for m, n in zip(reversed(x.shape), reversed(whole), strict=False))
        if not fits or (x is not None and x.ndim > 4):
            raise ValueError(f"attention: {name} {x.shape} does not broadcast to (B, H, Tq, Tk) = {whole}")


def check_range(name: str, ids: Array, n: int) -> None:
    """Raises IndexError, naming the first offender, unless every id is in 0 … n − 1.

    A GPU would accept any id, wrapped around. If the ids are already on the GPU, this check has to wait for it.
    """
    if ids.size and not (int(ids.min()) >= 0 and int(ids.max()) < n):
        wrong = (ids < 0) | (ids >= n)
        raise IndexError(f"{name}: id {int(ids[wrong].reshape(-1)[0])} is outside 0 … {n - 1}")


def _floating(name: str, x: Any) -> Tensor:
    x = as_tensor(x)
    if not is_floating(x.dtype):
        raise TypeError(f"{name}: it needs floating-point numbers (1.0, not 1), and these are {x.dtype}")
    return x


def _integers(name: str, ids: Any) -> Array:
    """A copy of the ids, so that the backward sees those of the forward."""
    ids = bare(ids)
    ids = array_module(ids).array(ids)
    if ids.dtype.kind not in "iu":
        raise TypeError(f"{name}: ids must be integers, and these are {ids.dtype}")
    return ids


def _beside(tensor: Tensor, constant: Array) -> Array:
    """The constant on the tensor's device. Raises TypeError where it is on a GPU and the tensor is not on that GPU."""
    if is_numpy(constant):
        return to_device(constant, tensor.device)
    same_device("a constant and a tensor", as_tensor(constant), tensor)
    return constant


def _optional(x: Any) -> Tensor | None:
    return None if x is None else as_tensor(x)


def _bare(x: Tensor | None) -> Array | None:
    return None if x is None else x.data


def _needs(*tensors: Tensor | None) -> tuple[bool, ...]:
    """Which operands need a gradient, so that kernels compute no other."""
    return tuple(t is not None and t.requires_grad for t in tensors)
