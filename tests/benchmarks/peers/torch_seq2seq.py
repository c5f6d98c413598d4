"""The encoder–decoder in PyTorch as its users write it: the peer that our own translation is measured against.

B batch, S time of the source, T time of the target, C channels, H heads, D = C/H, V vocabulary.

Parameter names and values are ours, as in torch_gpt.py, which the blocks are made of. Pre-norm, learned positions, a
table of tokens for each side, of which the target's is the output layer, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from peers.torch_gpt import MLP, Attention, Linear
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from tinygpt.model import Seq2SeqConfig

IGNORE = -100


class CrossAttention(nn.Module):
    def __init__(self, config: Seq2SeqConfig):
        super().__init__()
        self.n_head = config.n_head
        self.c_q = Linear(config.n_embd, config.n_embd, config.bias, F.linear)
        self.c_kv = Linear(config.n_embd, 2 * config.n_embd, config.bias, F.linear)
        self.c_proj = Linear(config.n_embd, config.n_embd, config.bias, F.linear)

    def forward(self, x: Tensor, source: Tensor, mask: Tensor) -> Tensor:
        B, T, C = x.shape
        q = self.c_q(x).view(B, T, self.n_head, -1).transpose(1, 2)
        k, v = (part.view(B, -1, self.n_head, C // self.n_head).transpose(1, 2)
                for part in self.c_kv(source).split(C, dim=2))  # fmt: skip
        y = F.scaled_dot_product_attention(q, k, v, mask)  # (B, H, T, D)
        return self.c_proj(y.transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    def __init__(self, config: Seq2SeqConfig, decoder: bool):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, config.norm_eps)
        self.attn = Attention(config, F.linear, causal=decoder)
        if decoder:
            self.ln_cross = nn.LayerNorm(config.n_embd, config.norm_eps)
            self.cross = CrossAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, config.norm_eps)
        self.mlp = MLP(config, F.linear)

    def forward(self, x: Tensor, mask: Tensor | None, source: Tensor | None, source_mask: Tensor | None) -> Tensor:
        x = x + self.attn(self.ln_1(x), mask)
        if source is not None:
            x = x + self.cross(self.ln_cross(x), source, source_mask)
        return x + self.mlp(self.ln_2(x))


class Stack(nn.Module):
    def __init__(self, config: Seq2SeqConfig, decoder: bool):
        super().__init__()
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.h = nn.ModuleList(Block(config, decoder) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, config.norm_eps)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        source: Tensor | None = None,
        source_mask: Tensor | None = None,
    ) -> Tensor:
        x = x + self.wpe.weight[: x.shape[1]]
        for block in self.h:
            x = block(x, mask, source, source_mask)
        return self.ln_f(x)


class Seq2Seq(nn.Module):
    """Called with a batch, it gives the mean cross entropy of the targets, in nats, smoothed as it is told to."""

    def __init__(self, config: Seq2SeqConfig, label_smoothing: float = 0.0):
        super().__init__()
        self.label_smoothing = label_smoothing
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.source_wte = nn.Embedding(config.source_vocab_size, config.n_embd)
        self.encoder = Stack(config, decoder=False)
        self.decoder = Stack(config, decoder=True)

    def encode(self, source: Tensor, mask: Tensor) -> Tensor:
        return self.encoder(self.source_wte(source), mask[:, None, None, :])

    def decode(self, inputs: Tensor, encoded: Tensor, mask: Tensor) -> Tensor:
        x = self.decoder(self.wte(inputs), source=encoded, source_mask=mask[:, None, None, :])
        return F.linear(x, self.wte.weight)  # (B, T, V)

    def forward(self, source: Tensor, mask: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        logits = self.decode(inputs, self.encode(source, mask), mask)
        return F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, label_smoothing=self.label_smoothing
        )


@torch.no_grad()
def greedy_search(
    model: Seq2Seq, source: Tensor, mask: Tensor, begin: int, end: int, max_new_tokens: int
) -> list[list[int]]:
    """For each source, the likeliest token after those before it, up to `end`, which is not among them."""
    encoded = model.encode(source, mask)
    ids = torch.full((len(source), 1), begin)
    ended = torch.zeros(len(source), dtype=torch.bool)
    while ids.shape[1] <= max_new_tokens and not ended.all():
        tokens = model.decode(ids, encoded, mask)[:, -1].argmax(dim=-1)
        ids = torch.cat([ids, tokens[:, None]], dim=1)
        ended |= tokens == end
    rows = ids[:, 1:].tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]
