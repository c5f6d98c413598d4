"""Models of the outside world: read as they were written, or refused in one sentence before anything is allocated."""

import json

import numpy as np
import pytest
from command_line import assert_refused, everything
from gpt2_directory import (
    CONFIG,
    IDS,
    TEXT,
    TOKENIZER,
    a_directory,
    a_model,
    change_settings,
    change_weights,
    in_parts,
    refused,
)  # fmt: skip

import tinygpt
from autograd import Key
from tinygpt import safetensors
from tinygpt.commands.opening import known_tokens, open_model
from tinygpt.errors import BadInput
from tinygpt.interop import Pretrained, save_gpt2
from tinygpt.model import GPT, BigramLM, GPTConfig
from tinygpt.text.tokenizer import CharTokenizer, Tokenizer

pytest_plugins = ["command_fixtures"]
pytestmark = [pytest.mark.core, pytest.mark.usefixtures("without_matplotlib")]


@pytest.fixture
def theirs(tmp_path):
    return a_directory(tmp_path / "gpt2")


FORMS = [
    {}, {"tied": False}, {"activation": "relu", "n_inner": 20}, {"activation": "gelu_exact", "norm_eps": 1e-3},
    {"dropout": 0.25},
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_what_is_written_comes_back_bit_by_bit(tmp_path, form):
    model = a_model(**form)
    save_gpt2(model, TOKENIZER, tmp_path / "out")
    opened = tinygpt.load(tmp_path / "out")
    assert isinstance(opened, Pretrained) and opened.tokenizer == TOKENIZER and opened.stored_as == "float32"
    ours = vars(model.config) | {"n_inner": model.config.n_inner}
    assert vars(opened.model.config) == ours
    for name, parameter in model.named_parameters().items():
        np.testing.assert_array_equal(opened.model.named_parameters()[name].data, parameter.data, err_msg=name)
    np.testing.assert_array_equal(opened.model(IDS).data, model(IDS).data)


def test_a_model_without_biases_gets_biases_that_add_nothing(tmp_path):
    model = a_model(bias=False)
    save_gpt2(model, TOKENIZER, tmp_path / "out")
    np.testing.assert_allclose(tinygpt.load(tmp_path / "out").model(IDS).data, model(IDS).data, atol=1e-6)


def test_the_settings_have_their_names(theirs):
    settings = json.loads((theirs / "config.json").read_text())
    assert settings["model_type"] == "gpt2" and settings["activation_function"] == "gelu_new"
    assert settings["n_positions"] == 12 and settings["layer_norm_epsilon"] == 1e-5
    assert settings["eos_token_id"] == TOKENIZER.end_of_text


def test_the_names_of_the_first_files(theirs):
    """GPT-2's own repository: no prefix, masks among the weights, a head beside the table that it is tied to."""

    def rename(arrays):
        plain = {name.removeprefix("transformer."): a for name, a in arrays.items()}
        masks = {"h.0.attn.bias": np.ones((1, 1, 12, 12), bool), "h.1.attn.masked_bias": np.float32(-1e4).reshape(())}
        return plain | masks | {"lm_head.weight": plain["wte.weight"]}

    before = tinygpt.load(theirs).model(IDS).data
    change_weights(theirs, rename)
    change_settings(theirs, n_ctx=12)
    np.testing.assert_array_equal(tinygpt.load(theirs).model(IDS).data, before)


def test_gpt2s_two_files_of_the_vocabulary(theirs):
    (theirs / "tokenizer.json").unlink()
    TOKENIZER.to_gpt2(theirs / "vocab.json", theirs / "merges.txt")
    assert tinygpt.load(theirs).tokenizer == TOKENIZER
    (theirs / "merges.txt").unlink()
    refused(theirs, "vocab.json", "merges")


def test_weights_alone(theirs):
    (theirs / "tokenizer.json").unlink()
    assert tinygpt.load(theirs).tokenizer is None
    with pytest.raises(BadInput, match="has no tokenizer"):
        open_model(theirs, "gpt")


def test_weights_in_several_files(theirs):
    before = tinygpt.load(theirs).model(IDS).data
    in_parts(theirs)
    np.testing.assert_array_equal(tinygpt.load(theirs).model(IDS).data, before)


def write_bfloat16(path, arrays):
    """Keeps the upper half of each float32; returns what is left of the arrays."""
    header, data, kept = {}, b"", {}
    for name, array in arrays.items():
        upper = (np.ascontiguousarray(array).view("<u4") >> 16).astype("<u2")
        header[name] = {"dtype": "BF16", "shape": array.shape, "data_offsets": [len(data), len(data) + upper.nbytes]}
        data += upper.tobytes()
        kept[name] = (upper.astype("<u4") << 16).view("<f4")
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return kept


def test_bfloat16_is_read_exactly(tmp_path, theirs):
    kept = write_bfloat16(tmp_path / "b", safetensors.load(theirs / "model.safetensors")[0])
    (tmp_path / "b").replace(theirs / "model.safetensors")
    opened = tinygpt.load(theirs)
    assert opened.stored_as == "bfloat16"
    for name, parameter in opened.model.named_parameters().items():
        np.testing.assert_array_equal(parameter.data, kept["transformer." + name], err_msg=name)
    with pytest.raises(BadInput, match="BF16"):
        safetensors.load(theirs / "model.safetensors")


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_precisions(theirs, dtype):
    change_weights(theirs, lambda arrays: {name: a.astype(dtype) for name, a in arrays.items()})
    opened = tinygpt.load(theirs)
    assert opened.stored_as == dtype
    kept = safetensors.load(theirs / "model.safetensors")[0]
    for name, parameter in opened.model.named_parameters().items():
        assert parameter.dtype == np.float32
        np.testing.assert_array_equal(parameter.data, kept["transformer." + name].astype(np.float32))


def test_a_run_of_ours_opens_the_same_way(trained):
    opened = tinygpt.load(trained)
    assert type(opened.tokenizer) is CharTokenizer and opened.settings["options"]["n_embd"] == 8
    assert opened.model.config.dropout == 0 and tinygpt.load(trained, dropout=0.5).model.config.dropout == 0.5


def test_three_rates_of_dropout_are_one_here(theirs):
    change_settings(theirs, attn_pdrop=0.2)
    refused(theirs, "attn_pdrop 0.2", "resid_pdrop 0.0", "load(…, dropout=0.1)")
    assert tinygpt.load(theirs, dropout=0.1).model.config.dropout == 0.1


def test_a_tokenizer_with_more_tokens_than_the_model(theirs):
    more = Tokenizer(TOKENIZER.merges, [*TOKENIZER.special_tokens, "[PAD]"])
    more.to_huggingface(theirs / "tokenizer.json")
    refused(theirs, "301", "300", "do not belong together")


def test_no_text_of_ids_that_are_no_tokens(tmp_path, command):
    """A table of weights rounded up to a larger size, and the last row of it always the likeliest."""
    model = a_model(vocab_size=384, tied=False)
    model.lm_head.weight.data[:, -1] = 100 * model.ln_f.bias.data
    save_gpt2(model, TOKENIZER, tmp_path / "padded")
    opened, tokenizer = open_model(str(tmp_path / "padded"), "gpt")
    (rule,) = known_tokens(opened, tokenizer)
    logits = opened(IDS).data[0, -1]
    assert logits.argmax() == 383 and rule(logits, [0]).argmax() == logits[:300].argmax()
    assert np.isinf(rule(logits, [0])).sum() == 84
    assert command("generate", tmp_path / "padded", "--max-new-tokens", "20").status == 0


def test_the_commands_take_either_directory(command, theirs, data):
    options = ["--prompt", "the cat", "--max-new-tokens", "6"]
    result = command("generate", theirs, *options)
    assert result.status == 0 and result.out.startswith("the cat") and result.err == ""
    assert command("generate", theirs, *options).out == result.out
    scored = json.loads(command("eval", theirs, "--data", data, "--json").out)
    assert scored["tokens"] == len(TOKENIZER.encode(data.read_text(encoding="utf-8"))) - 1
    change_settings(theirs, attn_pdrop=0.2)  # which no text depends on
    assert command("generate", theirs, *options).out == result.out


def test_the_commands_refuse_in_one_sentence(command, theirs, data):
    change_settings(theirs, n_layer=3)
    for line in (["generate", theirs], ["eval", theirs, "--data", data]):
        assert_refused(command(*line), "h.2.ln_1.weight is missing")


NOT_GPT2 = [
    {"positions": "rotary"}, {"norm": "rms"}, {"pre_norm": False}, {"activation": "swiglu"}, {"n_kv_head": 1},
    {"head_size": 6},
]  # fmt: skip


@pytest.mark.parametrize("form", NOT_GPT2, ids=str)
def test_forms_that_gpt2_has_not(tmp_path, form):
    with pytest.raises(BadInput, match="GPT-2"):
        save_gpt2(GPT(GPTConfig(**{**vars(CONFIG), **form}), Key(0)), None, tmp_path / "out")
    assert everything(tmp_path) == {}


def test_saving_is_whole_or_not_at_all(tmp_path, theirs, monkeypatch):
    before = everything(theirs)
    with pytest.raises(BadInput, match="is there already"):
        save_gpt2(a_model(), TOKENIZER, theirs)
    with pytest.raises(BadInput, match="CharTokenizer"):
        save_gpt2(a_model(), CharTokenizer(sorted(set(TEXT))), tmp_path / "out")
    with pytest.raises(BadInput, match="BigramLM"):
        save_gpt2(BigramLM(5, Key(0)), None, tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot write"):
        save_gpt2(a_model(), None, tmp_path / "file" / "out")
    monkeypatch.setattr(Tokenizer, "to_huggingface", lambda *_: (_ for _ in ()).throw(BadInput("no room")))
    with pytest.raises(BadInput, match="no room"):
        save_gpt2(a_model(), TOKENIZER, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"gpt2", "file"} and everything(theirs) == before


def test_an_empty_directory_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    save_gpt2(a_model(), None, tmp_path / "out")
    assert tinygpt.load(tmp_path / "out").tokenizer is None
