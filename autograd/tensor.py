"""Reverse-mode differentiation: a Tensor remembers how it was made, and `backward` walks that memory back.

An operation computes with arrays and calls `record`, handing over its result, its operands and a function that
turns the gradient of the result into the gradients of the operands (the vjp, vector-Jacobian product):

    def multiply(a, b):
        x, y = a.data, b.data
        return record(x * y, (a, b), lambda g: (g * y, g * x))

Everything else about differentiation is on this page: the order of the walk, and where a gradient is summed, over the
several uses of a value and over broadcast axes (the sums themselves: kernels/deposit.py).
"""

from __future__ import annotations

import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from . import ops  # ops imports this module too: autograd/__init__ makes sure it comes first
from .device import Array, array_module, as_array, device_of, is_numpy, to_numpy
from .guard import Guard
from .kernels.deposit import Deposit, GradientSum, sum_to
from .modes import is_recording, watcher
from .precision import is_floating, is_half, wide

Vjp = Callable[[Array], Sequence[Any]]
OnLeaf = Callable[["Tensor", Array], None]


class Node:
    """One recorded operation: its vjp, and the nodes (or leaf tensors) its operands came from.

    It holds the result's shape but not the result: a value that no vjp captured is freed once nothing refers to it.
    """

    __slots__ = ("gradient_dtype", "guards", "parents", "result", "shape", "step", "vjp")

    def __init__(self, data: Array, parents: tuple, vjp: Vjp, guards: tuple[Guard, ...]) -> None:
        self.parents, self.vjp, self.guards = parents, vjp, guards
        self.shape, self.gradient_dtype = data.shape, data.dtype
        self.result: weakref.ref | None = None  # the tensor, if retain_grad() was called on it
        self.step: Any = None  # its step in the graph of trace(), if one is running


def record(data: Array, operands: tuple[Tensor | None, ...], vjp: Vjp) -> Tensor:
    """The Tensor that an operation returns. `vjp(g)` returns one gradient (array, deposit or None) for each operand.

    The vjp captures arrays, never Tensors: graphs then have no reference cycles, and an activation is freed after its
    last use.
    """
    result = Tensor(data)
    if is_numpy(data):
        result.data.setflags(write=False)
    if is_recording() and any(t is not None and t.requires_grad for t in operands):
        parents = tuple(None if t is None or not t.requires_grad else t.node or t for t in operands)
        guards = tuple(Guard(t) for t in operands if t is not None and t.node is None)
        result.requires_grad, result.node = True, Node(result.data, parents, vjp, guards)
    if (graph := watcher()) is not None:
        step = graph.add(_name(vjp), result, operands)
        if result.node is not None:
            result.node.step = step
    return result


def backward(root: Tensor, gradient: Array, retain_graph: bool, on_leaf: OnLeaf | None) -> None:
    """Visits each node once, after every operation that used its value: `uses` counts those not yet visited.

    The gradient of a value is the sum over its uses. It is freed as soon as the node has passed it on.

    Formula: ∂L/∂x = Σ over the operations y that used x of (∂y/∂x)ᵀ ∂L/∂y
    Paper: Griewank & Walther 2008, "Evaluating derivatives", section 3.2
    Example: examples/01_gradients.py
    Test: tests/test_engine.py
    """
    deliver = _Delivery(on_leaf)
    if root.node is None:
        return deliver(root, gradient, last=True)
    uses = _count_uses(root.node)
    cotangents: defaultdict[Node, GradientSum] = defaultdict(GradientSum)
    cotangents[root.node].add(gradient)
    ready = [root.node]
    while ready:
        node = ready.pop()
        g = cotangents.pop(node).value()
        _show(node, g)
        for parent, cotangent in zip(node.parents, node.vjp(g), strict=True):
            if parent is None:
                continue
            uses[parent] -= 1
            if isinstance(parent, Tensor):
                deliver(parent, _fit(cotangent, parent), last=uses[parent] == 0)
                continue
            cotangents[parent].add(_fit(cotangent, parent))
            if uses[parent] == 0:
                ready.append(parent)
        if not retain_graph:
            node.vjp, node.parents, node.guards = None, (), ()


def _count_uses(root: Node) -> Counter:
    """How often each node and leaf that `root` depends on is an operand.

    Raises RuntimeError for a freed graph and for a changed leaf, before any gradient has been added.
    """
    uses: Counter = Counter()
    stack, seen = [root], {root}
    while stack:
        node = stack.pop()
        if node.vjp is None:
            raise RuntimeError(
                "backward() through a graph that an earlier backward() has freed: run the forward again, or let "
                "the earlier one keep it with backward(retain_graph=True)"
            )
        for guard in node.guards:
            if guard.is_broken():
                raise RuntimeError(
                    f"a value that {_name(node.vjp)}() recorded (shape {guard.tensor.shape}) was changed in place "
                    "before backward(), whose gradients would be wrong: change it after, or copy it first"
                )
        for parent in node.parents:
            if parent is not None:
                uses[parent] += 1
                if isinstance(parent, Node) and parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
    return uses


def _fit(cotangent: Any, parent: Node | Tensor) -> Any:
    """The gradient in the parent's own shape and precision: what the forward broadcast is summed."""
    dtype = parent.gradient_dtype
    if isinstance(cotangent, Deposit):
        if cotangent.source.dtype == dtype or (is_half(cotangent.source.dtype) and not is_half(dtype)):
            return cotangent
        cotangent = cotangent.array()  # a float32 weight beside float64 inputs
    if cotangent.shape != parent.shape:
        cotangent = sum_to(wide(cotangent), parent.shape)
    return cotangent if cotangent.dtype == dtype else cotangent.astype(dtype)


def _show(node: Node, g: Array) -> None:
    """Stores the gradient where retain_grad() or trace() asked for it."""
    if node.result is not None and (tensor := node.result()) is not None:
        tensor.grad = g.copy() if tensor.grad is None else tensor.grad + g
    if node.step is not None:
        node.step.gradient = g


def _name(vjp: Vjp) -> str:
    """The name of the operation that defines the vjp: "multiply" for multiply.<locals>.<lambda>."""
    return vjp.__qualname__.partition(".")[0]


def _in_precision(cotangent: Any, dtype: Any) -> Any:
    """A deposit in 16 bits as an array of the wider `dtype`, so that it is not rounded before it is added."""
    if isinstance(cotangent, Deposit) and cotangent.source.dtype != dtype:
        return cotangent.array(dtype)
    return cotangent


class _Delivery:
    """Delivers gradients to leaf tensors: adds each to `.grad`, or gives their complete sum to the caller's on_leaf."""

    def __init__(self, on_leaf: OnLeaf | None) -> None:
        self.on_leaf = on_leaf
        self.pending: defaultdict[Tensor, GradientSum] = defaultdict(GradientSum)

    def __call__(self, leaf: Tensor, cotangent: Any, last: bool) -> None:
        if self.on_leaf is None:
            leaf.accumulate(cotangent)
            return
        self.pending[leaf].add(_in_precision(cotangent, leaf.gradient_dtype))
        if last:
            self.on_leaf(leaf, self.pending.pop(leaf).value())


class Tensor:
    """An array that takes part in differentiation.

    `Tensor(array)` does not copy the array; numbers and lists become arrays. With requires_grad=True the tensor is a
    leaf whose gradient `backward` adds to `.grad`, a bare array of the same shape (None before the first backward).
    Only floating-point tensors can have gradients: an integer one raises TypeError. <, <=, > and >= compare elements;
    == asks whether two are the same tensor, so that tensors can be keys of a dictionary.
    """

    __slots__ = ("__weakref__", "_data", "grad", "grad_buffer", "node", "requires_grad", "version")
    __array_priority__ = 1000.0  # array + tensor calls the tensor's __radd__, not the array's __add__
    __array_ufunc__ = None

    def __init__(self, array: Any, requires_grad: bool = False) -> None:
        data = as_array(array.data if isinstance(array, Tensor) else array)
        if requires_grad and not is_floating(data.dtype):
            raise TypeError(f"only floating-point tensors can require gradients, and this one is {data.dtype}")
        self._data = data
        self.requires_grad = requires_grad
        self.grad: Array | None = None
        self.grad_buffer: Array | None = None  # where an optimizer wants this leaf's gradient written
        self.node: Node | None = None
        self.version = 0

    @property
    def data(self) -> Array:
        """The bare array; read-only where it is an operation's result and a NumPy array (CuPy has no such flag)."""
        return self._data

    @data.setter
    def data(self, array: Array) -> None:
        if self.node is not None:
            raise ValueError("the value of an operation's result cannot be replaced: change a leaf tensor instead")
        self.version += array is self._data  # x.data -= … changes the very array that a graph may have captured
        self._data = array

    shape = property(lambda self: self._data.shape)
    ndim = property(lambda self: self._data.ndim)
    size = property(lambda self: self._data.size)
    dtype = property(lambda self: self._data.dtype)
    device = property(lambda self: device_of(self._data))

    @property
    def gradient_dtype(self) -> Any:
        """The tensor's own dtype, or that of its optimizer's buffer: float32 for a 16-bit parameter."""
        return self.dtype if self.grad_buffer is None else self.grad_buffer.dtype

    def backward(
        self, gradient: Any = None, retain_graph: bool = False, on_leaf: OnLeaf | None = None
    ) -> None:
        """Adds to each leaf's `.grad` the gradient of Σ gradient · self (of self, where self is one number).

        retain_graph keeps what another backward through the same graph would need. on_leaf(leaf, array) receives each
        finished leaf gradient in place of `.grad`, as soon as its last contribution is in; leaves may share the array,
        so it must not be changed. Two threads must not run a backward into the same leaf at once.
        Raises RuntimeError for a tensor that depends on no leaf with requires_grad, for a tensor of several elements
        without a gradient, for a freed graph, and for a recorded leaf that has changed; ValueError for a gradient of
        another shape.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward() from a tensor that depends on nothing that requires a gradient: "
                "was a leaf made with requires_grad=True, and the forward run outside no_grad()?"
            )
        xp = array_module(self._data)
        if gradient is None:
            if self.size != 1:
                raise RuntimeError(
                    f"backward() without a gradient starts from a single number, and this tensor has shape "
                    f"{self.shape}: reduce it to a loss first, or pass backward(gradient) of that shape"
                )
            gradient = xp.ones_like(self._data)
        gradient = xp.asarray(gradient.data if isinstance(gradient, Tensor) else gradient, dtype=self.dtype)
        if gradient.shape != self.shape:
            raise ValueError(f"backward(gradient): shape {gradient.shape} is not the tensor's {self.shape}")
        backward(self, gradient, retain_graph, on_leaf)

    def accumulate(self, cotangent: Array | Deposit) -> None:
        """Adds a gradient to `.grad`: in place, or straight into the optimizer's buffer where there is one."""
        if self.grad is not None:
            if isinstance(cotangent, Deposit):
                cotangent.add_to(self.grad)
            else:
                self.grad += cotangent
        elif self.grad_buffer is not None:
            if isinstance(cotangent, Deposit):
                cotangent.write_to(self.grad_buffer)
            else:
                self.grad_buffer[...] = cotangent
            self.grad = self.grad_buffer
        else:
            self.grad = cotangent.array() if isinstance(cotangent, Deposit) else cotangent.copy()

    def retain_grad(self) -> Tensor:
        """Makes backward keep the gradient of this intermediate value in `.grad`; returns self."""
        if self.node is not None:
            self.node.result = weakref.ref(self)
        return self

    def detach(self) -> Tensor:
        """The same array as a constant."""
        return Tensor(self._data)

    def item(self) -> float | int:
        """The value of a one-element tensor as a Python number; waits for the GPU."""
        return self._data.item()

    def numpy(self) -> Array:
        """The values as a NumPy array: shared on the CPU, copied from a GPU."""
        return to_numpy(self._data)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("a tensor without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self._data)

    def __float__(self) -> float:
        return float(self._data)

    def __repr__(self) -> str:
        note = ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({self._data!r}{note})"

    # Operators and methods as NumPy has them; each calls the operation of that name.

    def __add__(self, other: Any) -> Tensor: return ops.add(self, other)
    def __radd__(self, other: Any) -> Tensor: return ops.add(other, self)
    def __sub__(self, other: Any) -> Tensor: return ops.subtract(self, other)
    def __rsub__(self, other: Any) -> Tensor: return ops.subtract(other, self)
    def __mul__(self, other: Any) -> Tensor: return ops.multiply(self, other)
    def __rmul__(self, other: Any) -> Tensor: return ops.multiply(other, self)
    def __truediv__(self, other: Any) -> Tensor: return ops.divide(self, other)
    def __rtruediv__(self, other: Any) -> Tensor: return ops.divide(other, self)
    def __pow__(self, other: Any) -> Tensor: return ops.power(self, other)
    def __rpow__(self, other: Any) -> Tensor: return ops.power(other, self)
    def __matmul__(self, other: Any) -> Tensor: return ops.matmul(self, other)
    def __rmatmul__(self, other: Any) -> Tensor: return ops.matmul(other, self)
    def __neg__(self) -> Tensor: return ops.negative(self)
    def __abs__(self) -> Tensor: return ops.abs(self)
    def __getitem__(self, index: Any) -> Tensor: return ops.getitem(self, index)

    def __lt__(self, other: Any) -> Array: return self._data < ops.bare(other)
    def __le__(self, other: Any) -> Array: return self._data <= ops.bare(other)
    def __gt__(self, other: Any) -> Array: return self._data > ops.bare(other)
    def __ge__(self, other: Any) -> Array: return self._data >= ops.bare(other)

    @property
    def T(self) -> Tensor: return ops.transpose(self)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor: return ops.sum(self, axis, keepdims)
    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor: return ops.mean(self, axis, keepdims)
    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor: return ops.max(self, axis, keepdims)
    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor: return ops.min(self, axis, keepdims)
    def var(self, axis: Any = None, keepdims: bool = False) -> Tensor: return ops.var(self, axis, keepdims)
    def clip(self, a_min: Any = None, a_max: Any = None) -> Tensor: return ops.clip(self, a_min, a_max)
    def reshape(self, *shape: Any) -> Tensor: return ops.reshape(self, shape[0] if len(shape) == 1 else shape)
    def transpose(self, *axes: Any) -> Tensor: return ops.transpose(self, *axes)
    def swapaxes(self, axis1: int, axis2: int) -> Tensor: return ops.swapaxes(self, axis1, axis2)
