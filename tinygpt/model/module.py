"""Modules: objects whose attributes are parameters, other modules, or lists of modules."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from autograd import Tensor, float_type, to_device

from ..errors import BadInput


class Parameter(Tensor):
    """A leaf tensor that training changes. A weight used in two places is one Parameter with two uses."""

    __slots__ = ()

    def __init__(self, array: Any) -> None:
        super().__init__(array, requires_grad=True)

    @property
    def decays(self) -> bool:
        """Whether weight decay applies: to matrices, not to biases and scales, which have one dimension."""
        return self.ndim >= 2


class Module:
    """The base of layers and models.

    A subclass declares its attributes as annotations (`weight: Parameter`) and sets them in `__init__`. Setting any
    other name raises AttributeError, so that a mistyped attribute cannot silently leave a layer unchanged.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        declared = {field for cls in type(self).__mro__ for field in inspect.get_annotations(cls)}
        if name not in declared:
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}; it has {', '.join(sorted(declared)) or 'none'}"
            )
        super().__setattr__(name, value)

    def named_parameters(self) -> dict[str, Parameter]:
        """Each parameter once, by its path, such as "h.0.attn.c_attn.weight"; a shared one by its first path."""
        found: dict[str, Parameter] = {}
        seen: set[int] = set()
        for name, parameter in _walk(self, ""):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                found[name] = parameter
        return found

    def parameters(self) -> list[Parameter]:
        return list(self.named_parameters().values())

    @property
    def n_params(self) -> int:
        """The number of trainable numbers; a shared parameter counts once."""
        return sum(p.size for p in self.parameters())

    def state_dict(self) -> dict[str, Any]:
        """Name → array (the parameters' own arrays, not copies)."""
        return {name: p.data for name, p in self.named_parameters().items()}

    def load_state_dict(self, state: dict[str, Any], strict: bool = True) -> None:
        """Copies arrays into the parameters of the same names.

        Raises BadInput, before anything is changed, with every name that is missing, unexpected or of another shape;
        with strict=False missing and unexpected names are ignored. Also for a 16-bit parameter of an optimizer, whose
        next step would undo it: the optimizer holds its value in float32.
        """
        parameters = self.named_parameters()
        if any(name in state and p.gradient_dtype != p.dtype for name, p in parameters.items()):
            raise BadInput("load the weights before the optimizer is made: it keeps 16-bit parameters in float32, too")
        problems = [
            f"{name}: shape {tuple(state[name].shape)} where the model has {p.shape}"
            for name, p in parameters.items()
            if name in state and tuple(state[name].shape) != p.shape
        ]
        if strict:
            problems += [f"missing {name}" for name in parameters if name not in state]
            problems += [f"unexpected {name}" for name in state if name not in parameters]
        if problems:
            raise BadInput(f"the weights do not fit this {type(self).__name__}: {'; '.join(problems)}")
        for name, p in parameters.items():
            if name in state:
                p.data[...] = to_device(state[name], p.device)
                p.version += 1

    def to(self, device: str, dtype: str | None = None) -> Module:
        """Moves every parameter to "cpu" or "cuda:i"; returns self. To be called before an optimizer is made.

        dtype: also converts them. "bfloat16" and "float16" halve the memory of a model that is only used. A model that
        is to be trained should keep its precision: AdamW(dtype=…) does the rounding.
        Raises RuntimeError for a device or a type that is not available.
        """
        for p in self.parameters():
            data = p.data if dtype is None else p.data.astype(float_type(dtype), copy=False)
            p.data = to_device(data, device)
        return self


def _walk(value: Any, name: str) -> Iterator[tuple[str, Parameter]]:
    if isinstance(value, Parameter):
        yield name, value
    elif isinstance(value, Module):
        for field, inner in vars(value).items():
            yield from _walk(inner, f"{name}.{field}" if name else field)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _walk(inner, f"{name}.{i}")
