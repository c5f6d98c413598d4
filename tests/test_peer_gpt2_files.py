"""GPT-2 as `transformers` has it, through files: the same numbers in both directions."""

import json

import numpy as np
import pytest

import tinygpt
from autograd import Key, cross_entropy
from tinygpt.generate import generate
from tinygpt.interop import gpt2, save_gpt2
from tinygpt.model import GPT, GPTConfig
from tinygpt.text.batches import Batch
from tinygpt.text.tokenizer import Tokenizer
from tinygpt.train import AdamW, causal_lm_loss, train

torch = pytest.importorskip("torch", reason="the peer is transformers: pip install -e '.[peers]'")
transformers = pytest.importorskip("transformers", reason="pip install -e '.[peers]'")

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore")]

V, T = 97, 24
SMALL = {"vocab_size": V, "n_positions": T, "n_embd": 32, "n_layer": 3, "n_head": 4}
NO_DROPOUT = dict.fromkeys(gpt2.DROPOUTS, 0.0)


def their_model(**settings):
    """A random GPT-2 whose weights are large enough to tell tokens apart, biases and scales included."""
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**{**SMALL, **NO_DROPOUT, **settings}))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def some_ids(rows, length, seed=0):
    return np.random.default_rng(seed).integers(V, size=(rows, length))


def their_logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor(ids)).logits.float().numpy()


def their_table(model, config):
    """Each parameter of theirs beside ours, by the table: (our name, theirs, whether it is transposed)."""
    parameters = dict(model.named_parameters())
    for ours, theirs, _, transposed in gpt2.weights(config):
        yield ours, parameters[theirs if theirs == gpt2.HEAD else gpt2.PREFIX + theirs], transposed


FORMS = [
    {},
    {"activation_function": "gelu"},
    {"activation_function": "relu", "n_inner": 48},
    {"activation_function": "gelu_pytorch_tanh", "layer_norm_epsilon": 1e-3},
    {"tie_word_embeddings": False},
    {"reorder_and_upcast_attn": True},
]


@pytest.mark.parametrize("settings", FORMS, ids=str)
def test_logits_and_gradients_are_theirs(tmp_path, settings):
    theirs = their_model(**settings)
    theirs.save_pretrained(tmp_path)
    ours = tinygpt.load(tmp_path)
    assert ours.tokenizer is None and ours.stored_as == "float32"
    ids, targets = some_ids(2, T), some_ids(2, T, 1)

    logits = ours.model(ids)
    np.testing.assert_allclose(logits.data, their_logits(theirs, ids), rtol=1e-5, atol=1e-5)

    cross_entropy(logits, targets).backward()
    out = theirs(torch.tensor(ids)).logits
    torch.nn.functional.cross_entropy(out.reshape(-1, V), torch.tensor(targets).reshape(-1)).backward()
    parameters = ours.model.named_parameters()
    for name, parameter, transposed in their_table(theirs, ours.model.config):
        gradient = parameter.grad.T if transposed else parameter.grad
        np.testing.assert_allclose(parameters[name].grad, gradient.numpy(), rtol=1e-5, atol=1e-5, err_msg=name)


def test_greedy_text_is_theirs_token_for_token(tmp_path):
    theirs = their_model()
    theirs.save_pretrained(tmp_path)
    ours = tinygpt.load(tmp_path).model
    for prompt in some_ids(4, 5, seed=2):
        out = theirs.generate(
            torch.tensor(prompt[None]), max_new_tokens=T - 5, do_sample=False, eos_token_id=None, pad_token_id=0
        )
        assert list(generate(ours, prompt.tolist(), T - 5)) == out[0, 5:].tolist()


def test_ten_steps_of_adamw_have_the_same_losses(tmp_path):
    theirs = their_model()
    theirs.save_pretrained(tmp_path)
    ours = tinygpt.load(tmp_path).model
    batches = [Batch(some_ids(2, T, seed=i % 2), some_ids(2, T, seed=100 + i % 2)) for i in range(10)]
    steps = train(ours, causal_lm_loss, batches.__getitem__, AdamW(ours.parameters()), 10, learning_rate=3e-3)
    found = [step.loss for step in steps]
    np.testing.assert_allclose(found, their_losses(theirs, batches), rtol=1e-4)
    assert found[-1] < found[0] - 0.1, "the steps change nothing that a loss would show"


def their_losses(model, batches):
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95), eps=1e-8)
    losses = []
    for batch in batches:
        logits = model(torch.tensor(batch.inputs)).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, V), torch.tensor(batch.targets).reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_read_exactly(tmp_path, dtype):
    theirs = their_model().to(getattr(torch, dtype))
    theirs.save_pretrained(tmp_path)
    ours = tinygpt.load(tmp_path)
    assert ours.stored_as == dtype
    parameters = ours.model.named_parameters()
    for name, parameter, _ in their_table(theirs, ours.model.config):
        np.testing.assert_array_equal(parameters[name].data, parameter.detach().float().numpy(), err_msg=name)


def test_weights_in_several_files(tmp_path):
    theirs = their_model()
    theirs.save_pretrained(tmp_path, max_shard_size="40KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    ids = some_ids(1, T)
    np.testing.assert_allclose(tinygpt.load(tmp_path).model(ids).data, their_logits(theirs, ids), rtol=1e-5, atol=1e-5)


def test_the_model_without_a_head(tmp_path):
    theirs = their_model()
    theirs.transformer.save_pretrained(tmp_path)
    ids = some_ids(1, T)
    np.testing.assert_allclose(tinygpt.load(tmp_path).model(ids).data, their_logits(theirs, ids), rtol=1e-5, atol=1e-5)


TEXT = "The naïve reader doesn't skip 猫 12345\n\n  twice.<|endoftext|>"


@pytest.mark.parametrize("form", [{}, {"bias": False, "activation": "relu"}, {"tied": False, "n_inner": 40}], ids=str)
def test_what_we_save_they_open(tmp_path, form):
    tokenizer = Tokenizer.train([TEXT * 3], 300)
    model = GPT(GPTConfig(tokenizer.vocab_size, T, 2, 4, 32, **form), Key(0))
    save_gpt2(model, tokenizer, tmp_path / "out")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    ids = some_ids(2, T)
    np.testing.assert_allclose(model(ids).data, their_logits(theirs, ids), rtol=1e-5, atol=1e-5)
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    assert their_tokenizer(TEXT)["input_ids"] == tokenizer.encode(TEXT, "all")
    assert their_tokenizer.eos_token_id == theirs.config.eos_token_id == tokenizer.end_of_text


def test_their_tokenizer_beside_the_model(tmp_path):
    tokenizer = Tokenizer.train([TEXT * 3], 300)
    save_gpt2(GPT(GPTConfig(tokenizer.vocab_size, T, 1, 2, 8), Key(0)), tokenizer, tmp_path / "ours")
    transformers.AutoTokenizer.from_pretrained(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    their_model(vocab_size=tokenizer.vocab_size).save_pretrained(tmp_path / "theirs")
    opened = tinygpt.load(tmp_path / "theirs")
    assert opened.tokenizer.encode(TEXT, "all") == tokenizer.encode(TEXT, "all")
    assert opened.settings == json.loads((tmp_path / "theirs" / "config.json").read_text())
