"""GPT in PyTorch as its users write it: the peer that our own training step is measured against.

B batch, T time, C channels, H heads, D = C/H, V vocabulary.

Parameter names and values are ours, so that a state dictionary crosses over; only nn.Linear's layout differs,
(out, in) where ours is (in, out).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy
import torch
from configurations import BETAS, GRAD_CLIP, LEARNING_RATE, WEIGHT_DECAY, Configuration
from torch import Tensor, nn
from torch.nn import functional as F

Product = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class OneDNNLinear(torch.autograd.Function):
    """F.linear with its three products through oneDNN, which PyTorch carries but uses for bfloat16 only.

    PyTorch sends float32 products to MKL, and MKL to its slower kernels on processors that are not Intel's.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return onednn_product(x, weight, bias)

    @staticmethod
    def backward(ctx, dy: Tensor):
        x, weight = ctx.saved_tensors
        rows, dy_rows = x.flatten(0, -2), dy.flatten(0, -2)
        dx = onednn_product(dy, weight.t(), None)
        dweight = onednn_product(dy_rows.t(), rows.t(), None)
        return dx, dweight, dy_rows.sum(0) if ctx.needs_input_grad[2] else None


def onednn_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x @ weight.T + bias."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class Linear(nn.Linear):
    """nn.Linear with the product to use as a choice: F.linear, or OneDNNLinear.apply."""

    def __init__(self, n_in: int, n_out: int, bias: bool, product: Product):
        super().__init__(n_in, n_out, bias)
        self.product = product

    def forward(self, x: Tensor) -> Tensor:
        return self.product(x, self.weight, self.bias)


class Attention(nn.Module):
    def __init__(self, config: Configuration, product: Product, causal: bool = True):
        super().__init__()
        self.n_head, self.causal = config.n_head, causal
        self.c_attn = Linear(config.n_embd, 3 * config.n_embd, config.bias, product)
        self.c_proj = Linear(config.n_embd, config.n_embd, config.bias, product)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        B, T, C = x.shape
        q, k, v = (part.view(B, T, self.n_head, -1).transpose(1, 2) for part in self.c_attn(x).split(C, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=self.causal)  # (B, H, T, D)
        return self.c_proj(y.transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, config: Configuration, product: Product):
        super().__init__()
        self.c_fc = Linear(config.n_embd, 4 * config.n_embd, config.bias, product)
        self.c_proj = Linear(4 * config.n_embd, config.n_embd, config.bias, product)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, config: Configuration, product: Product):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.attn = Attention(config, product)
        self.ln_2 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = MLP(config, product)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """Called with inputs and targets (B, T), it gives the mean cross entropy of the next token, in nats."""

    def __init__(self, config: Configuration, product: Product = F.linear):
        super().__init__()
        self.product = product
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.h = nn.ModuleList(Block(config, product) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, bias=config.bias)

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        x = self.wte(inputs) + self.wpe.weight[: inputs.shape[1]]
        for block in self.h:
            x = block(x)
        logits = self.product(self.ln_f(x), self.wte.weight, None)  # (B, T, V)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def stored_transposed(model: nn.Module) -> set[str]:
    """The names of the weights that nn.Linear keeps as (out, in)."""
    return {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}


@torch.no_grad()
def load_ours(model: nn.Module, arrays: Mapping[str, numpy.ndarray]) -> None:
    """Copies our state dictionary into the model. Raises ValueError where names or shapes differ."""
    parameters, transposed = dict(model.named_parameters()), stored_transposed(model)
    if parameters.keys() != set(arrays):
        raise ValueError(f"parameters that only one side has: {sorted(parameters.keys() ^ set(arrays))}")
    for name, parameter in parameters.items():
        value = torch.from_numpy(arrays[name])
        value = value.t() if name in transposed else value
        if value.shape != parameter.shape:
            raise ValueError(f"{name} is {tuple(value.shape)} on our side and {tuple(parameter.shape)} here")
        parameter.copy_(value)


def gradients_as_ours(model: nn.Module) -> dict[str, numpy.ndarray]:
    """The gradients under our names, in our layout (views, not copies)."""
    transposed = stored_transposed(model)
    return {
        name: (parameter.grad.t() if name in transposed else parameter.grad).numpy()
        for name, parameter in model.named_parameters()
    }


def make_optimizer(model: nn.Module, betas: tuple[float, float] = BETAS) -> torch.optim.Optimizer:
    """AdamW with decay on what has two dimensions; PyTorch itself chooses between loop, foreach and fused."""
    decayed = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    others = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=betas)


def train_step(loss: Callable[..., Tensor], model: nn.Module, optimizer, *batch: Tensor) -> float:
    """Forward, backward, clip, AdamW. `loss` is the model, or what torch.compile made of it."""
    value = loss(*batch)
    value.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), GRAD_CLIP)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return value.item()
