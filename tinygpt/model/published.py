"""The published sizes and recipes, as data: GPT, BERT, GPT-2, RoBERTa, T5, GPT-3, GPT-Neo and GPT-J.

M and B: millions and billions, as the sources print them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .module import Module
from .size import outline

M, B = 10**6, 10**9
GPT2_TOKENS = 50257
PETAFLOP_DAY = 1e15 * 24 * 60 * 60  # operations


@dataclass(frozen=True)
class Training:
    """How a model was trained.

    source: the paper or page, and the table or section that says so. tokens: in all. batch: tokens in one step.
    learning_rate: its peak. clip: the largest norm of the gradient, 0 for none.
    """

    source: str
    tokens: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    betas: tuple[float, float] | None = None
    clip: float | None = None
    warmup: str | None = None
    precision: str | None = None
    hardware: str | None = None
    petaflop_days: float | None = None


@dataclass(frozen=True)
class Preset:
    """A published model.

    kind, sizes: what size.outline needs to make it with our modules. published: its number of parameters as the source
    prints it, rounded. released: the exact number in its released weights, if known. added: how many more parameters
    our model has, for the reasons that the note gives.
    """

    name: str
    kind: str
    sizes: dict[str, Any]
    published: int
    source: str
    training: Training
    released: int | None = None
    added: int = 0
    note: str = ""

    @property
    def positions(self) -> str:
        return self.sizes.get("positions", "learned")

    def outline(self) -> Module:
        """Our module for it, whose parameters have shapes but take no memory."""
        return outline(self.kind, self.sizes)


GPT = Preset(
    "gpt",
    "gpt",
    {"vocab_size": 40478, "block_size": 512, "n_layer": 12, "n_head": 12, "n_embd": 768, "pre_norm": False},
    117 * M,
    "Radford et al. 2018, section 4.1; the count: OpenAI, released weights",
    Training(
        'Radford et al. 2018, section 4.1; hardware: OpenAI 2018, "Improving language understanding with '
        'unsupervised learning", appendix',
        batch=64 * 512,
        learning_rate=2.5e-4,
        warmup="2,000 steps",
        hardware="8 P600 GPUs, 30 days",
        petaflop_days=0.96,
    ),
    released=116_534_784,
    note="100 epochs of BooksCorpus, whose tokens the paper does not count.",
)


def _bert(name: str, n_layer: int, n_head: int, n_embd: int, published: int, released: int, hardware: str) -> Preset:
    return Preset(
        name,
        "bert",
        {"vocab_size": 30522, "block_size": 512, "n_layer": n_layer, "n_head": n_head, "n_embd": n_embd},
        published,
        "Devlin et al. 2019, section 3",
        Training(
            "Devlin et al. 2019, appendix A.2; clip: released code, optimization.py",
            tokens=128 * B,
            batch=128_000,
            learning_rate=1e-4,
            betas=(0.9, 0.999),
            clip=1.0,
            warmup="10,000 steps",
            hardware=hardware,
        ),
        released=released,
        added=_masked_head(n_embd, 30522) + _next_sentence_head(n_embd),
        note=(
            "The released count is that of the encoder with its pooler; ours adds the two heads of pretraining. "
            "Tokens: a million steps of 128,000 (the paper rounds 256 · 512), although nine tenths of the steps had "
            "sequences of 128."
        ),
    )


def _masked_head(n_embd: int, vocab_size: int) -> int:
    """A linear layer, its normalization, and a bias for each token."""
    return n_embd * n_embd + n_embd + 2 * n_embd + vocab_size


def _next_sentence_head(n_embd: int) -> int:
    return 2 * n_embd + 2


def _gpt2(name: str, n_layer: int, n_head: int, n_embd: int, published: int, released: int) -> Preset:
    return Preset(
        name,
        "gpt",
        {"vocab_size": GPT2_TOKENS, "block_size": 1024, "n_layer": n_layer, "n_head": n_head, "n_embd": n_embd},
        published,
        "Radford et al. 2019, table 2; the count: OpenAI, released weights",
        Training("Radford et al. 2019, section 2.3", batch=512 * 1024),
        released=released,
        note=f"The paper prints {published // M}M; the released weights are {released / M:.1f}M.",
    )


def _roberta(
    name: str, n_layer: int, n_head: int, n_embd: int, published: int, released: int, rate: float, warmup: str
) -> Preset:
    return Preset(
        name,
        "bert",
        {"vocab_size": 50265, "block_size": 514, "n_layer": n_layer, "n_head": n_head, "n_embd": n_embd,
         "norm_eps": 1e-5, "n_segments": 1},
        published,
        "Liu et al. 2019, section 2.1 and released models",
        Training(
            "Liu et al. 2019, section 3.1, section 5 and table 9",
            tokens=500_000 * 8_000 * 512,
            batch=8_000 * 512,
            learning_rate=rate,
            betas=(0.9, 0.98),
            clip=0.0,
            warmup=warmup,
            precision="mixed float16",
            hardware="1,024 V100 GPUs, about a day for 100,000 steps" if n_layer == 24 else None,
        ),
        released=released,
        added=_masked_head(n_embd, 50265) + _next_sentence_head(n_embd),
        note=(
            "The released count includes a pooler; ours adds the head of masked language modeling, and a head for the "
            "next sentence, which RoBERTa does not have. Positions begin at row 2 of 514. Tokens: 500,000 steps of 8K "
            "sequences of at most 512."
        ),
    )  # fmt: skip


def _t5(
    name: str, n_layer: int, n_head: int, head_size: int, n_embd: int, n_inner: int, published: int, released: int,
    note: str = "",
) -> Preset:  # fmt: skip
    return Preset(
        name,
        "seq2seq",
        {"vocab_size": 32128, "block_size": 512, "n_layer": n_layer, "n_head": n_head, "head_size": head_size,
         "n_embd": n_embd, "n_inner": n_inner, "bias": False, "positions": "t5", "norm": "rms", "norm_eps": 1e-6,
         "pre_norm": True, "activation": "relu", "tied": True},
        published,
        "Raffel et al. 2020, section 3.7; the count: released weights",
        Training(
            "Raffel et al. 2020, sections 3.1.2 and 3.7",
            tokens=1_000_000 * 2**20,
            batch=2**20,
            learning_rate=1e-2,
            warmup="10,000 steps at the peak, then 1/√step",
        ),
        released=released,
        note=f"AdaFactor, which has no momentum. One table of distances for each of the two stacks. {note}".strip(),
    )  # fmt: skip


def _gpt3(
    name: str, n_layer: int, n_head: int, n_embd: int, published: int, batch: int, rate: float, petaflop_days: float,
    note: str = "",
) -> Preset:  # fmt: skip
    return Preset(
        name,
        "gpt",
        {"vocab_size": GPT2_TOKENS, "block_size": 2048, "n_layer": n_layer, "n_head": n_head, "n_embd": n_embd},
        published,
        "Brown et al. 2020, tables 2.1 and D.1",
        Training(
            "Brown et al. 2020, tables 2.1 and D.1, appendix B",
            tokens=300 * B,
            batch=batch,
            learning_rate=rate,
            betas=(0.9, 0.95),
            clip=1.0,
            warmup="375 million tokens",
            hardware="V100 GPUs",
            petaflop_days=petaflop_days,
        ),
        note=f"Counts are rounded in table D.1; every second layer's attention was sparse. {note}".strip(),
    )


def _gpt_neo(
    name: str, n_layer: int, n_head: int, n_embd: int, published: int, released: int, steps: int,
    training: dict[str, Any],
) -> Preset:  # fmt: skip
    page = "Black et al. 2021, GPT-Neo: model card"
    return Preset(
        name,
        "gpt",
        {"vocab_size": GPT2_TOKENS, "block_size": 2048, "n_layer": n_layer, "n_head": n_head, "n_embd": n_embd},
        published,
        f"{page}; the count: released weights",
        Training(f"{page} and released configuration", **training),
        released=released,
        added=n_layer * 3 * n_embd,
        note=(
            "Its queries, keys and values have no bias; ours have one. Its attention does not divide by √D, and in "
            f"every second layer it sees only 256 tokens. Tokens: {steps:,} steps of {training['batch'] // 2048} "
            "sequences of 2048."
        ),
    )


_NEO = {"betas": (0.9, 0.95), "clip": 1.0, "warmup": "3,000 steps", "batch": 512 * 2048}

GPT_J = Preset(
    "gpt-j-6b",
    "gpt",
    {"vocab_size": 50400, "block_size": 2048, "n_layer": 28, "n_head": 16, "n_embd": 4096, "positions": "rotary",
     "tied": False},
    6 * B,
    "Wang & Komatsuzaki 2021, GPT-J-6B: README of mesh-transformer-jax; the count: released weights",
    Training(
        "Wang & Komatsuzaki 2021: released configuration (6B_roto_256), model card, README (training FLOPs)",
        tokens=402 * B,
        batch=512 * 2048,
        learning_rate=1.2e-4,
        warmup="3,000 steps",
        precision="bfloat16",
        hardware="TPU v3-256",
        petaflop_days=1.5e22 / PETAFLOP_DAY,
    ),
    released=6_050_882_784,
    added=28 * (4 + 2) * 4096 - 50400,
    note=(
        "In each layer ours has biases in attention (4 C) and a second normalization (2 C). GPT-J has neither: its "
        "attention and MLP run in parallel. Its output layer has a bias; ours has none. Its rotary positions rotate 64 "
        "of the 256 channels of a head; ours rotate all. Tokens: 383,500 steps of 512 sequences of 2048; the released "
        "configuration names 350,000 steps. Its README counts 6,053,381,344 parameters, because it counts parameters "
        "of which each of 8 shards holds a copy 8 times."
    ),
)  # fmt: skip

PRESETS: tuple[Preset, ...] = (
    GPT,
    _bert("bert-base", 12, 12, 768, 110 * M, 109_482_240, "4 Cloud TPUs (16 chips), 4 days"),
    _bert("bert-large", 24, 16, 1024, 340 * M, 335_141_888, "16 Cloud TPUs (64 chips), 4 days"),
    _gpt2("gpt2", 12, 12, 768, 117 * M, 124_439_808),
    _gpt2("gpt2-medium", 24, 16, 1024, 345 * M, 354_823_168),
    _gpt2("gpt2-large", 36, 20, 1280, 762 * M, 774_030_080),
    _gpt2("gpt2-xl", 48, 25, 1600, 1542 * M, 1_557_611_200),
    _roberta("roberta-base", 12, 12, 768, 125 * M, 124_645_632, 6e-4, "24,000 steps"),
    _roberta("roberta-large", 24, 16, 1024, 355 * M, 355_359_744, 4e-4, "30,000 steps"),
    _t5("t5-small", 6, 8, 64, 512, 2048, 60 * M, 60_506_624),
    _t5("t5-base", 12, 12, 64, 768, 3072, 220 * M, 222_903_552),
    _t5("t5-large", 24, 16, 64, 1024, 4096, 770 * M, 737_668_096,
        "The paper prints 770M; a second token table of 32,899,072 would come near it, and there is none."),
    _t5("t5-3b", 24, 32, 128, 1024, 16384, 3 * B, 2_851_598_336),
    _t5("t5-11b", 24, 128, 128, 1024, 65536, 11 * B, 11_307_321_344),
    _gpt3("gpt3-small", 12, 12, 768, 125 * M, 500_000, 6.0e-4, 2.60),
    _gpt3("gpt3-medium", 24, 16, 1024, 356 * M, 500_000, 3.0e-4, 7.42, "Table 2.1 has 350M."),
    _gpt3("gpt3-large", 24, 16, 1536, 760 * M, 500_000, 2.5e-4, 15.8),
    _gpt3("gpt3-xl", 24, 16, 2048, 1_320 * M, 1_000_000, 2.0e-4, 27.5,
          "Table 2.1 has 24 heads of 128 channels, which do not make 2,048; 16 do."),
    _gpt3("gpt3-2.7b", 32, 32, 2560, 2_650 * M, 1_000_000, 1.6e-4, 55.2),
    _gpt3("gpt3-6.7b", 32, 32, 4096, 6_660 * M, 2_000_000, 1.2e-4, 139.0),
    _gpt3("gpt3-13b", 40, 40, 5120, 12_850 * M, 2_000_000, 1.0e-4, 268.0,
          "Table 2.1 has 5,140 channels, which 40 heads of 128 do not make; 5,120 do."),
    _gpt3("gpt3-175b", 96, 96, 12288, 174_600 * M, 3_200_000, 0.6e-4, 3_640.0),
    _gpt_neo("gpt-neo-125m", 12, 12, 768, 125 * M, 125_198_592, 572_300, {"tokens": 300 * B, "batch": 256 * 2048}),
    _gpt_neo("gpt-neo-1.3b", 24, 16, 2048, 1_300 * M, 1_315_575_808, 362_000,
             _NEO | {"tokens": 380 * B, "learning_rate": 2e-4, "precision": "bfloat16"}),
    _gpt_neo("gpt-neo-2.7b", 32, 20, 2560, 2_700 * M, 2_651_307_520, 400_000,
             _NEO | {"tokens": 420 * B, "learning_rate": 1.6e-4}),
    GPT_J,
)  # fmt: skip
"""In the order of publication, each family from small to large."""
