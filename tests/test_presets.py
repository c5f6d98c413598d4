"""Our modules have as many parameters as the published models, and every difference is told."""


import pytest

from tinygpt.errors import BadInput
from tinygpt.model.presets import find, rows, shown
from tinygpt.model.published import PETAFLOP_DAY, PRESETS
from tinygpt.model.size import training_flops

pytestmark = pytest.mark.core

EACH = pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)


def expected_parameters(preset):
    """The count by the formulas of the papers, for the forms that the published models have."""
    s = preset.sizes
    C, V, L = s["n_embd"], s["vocab_size"], s["n_layer"]
    if preset.kind == "seq2seq":
        projection, perceptron = C * s["n_head"] * s["head_size"], 2 * C * s["n_inner"]
        encoder = L * (4 * projection + perceptron + 2 * C) + C + 32 * s["n_head"]
        decoder = L * (8 * projection + perceptron + 3 * C) + C + 32 * s["n_head"]
        return V * C + encoder + decoder
    block = 12 * C * C + 13 * C
    if preset.kind == "bert":
        heads = C * C + 3 * C + V + 2 * C + 2
        return (V + s["block_size"] + s.get("n_segments", 2)) * C + 2 * C + L * block + C * C + C + heads
    tables = V * C * (1 if s.get("tied", True) else 2) + (s["block_size"] * C if preset.positions == "learned" else 0)
    return tables + L * block + (2 * C if s.get("pre_norm", True) else 0)


@EACH
def test_the_formula_gives_the_released_count_and_what_ours_has_more(preset):
    if preset.released is not None:
        assert expected_parameters(preset) == preset.released + preset.added
    assert preset.added == 0 or "ours" in preset.note


@EACH
def test_our_modules_have_what_the_formula_gives(preset):
    assert preset.outline().n_params == expected_parameters(preset)


@EACH
def test_the_printed_number_is_the_count_rounded_or_the_note_says_why_not(preset):
    unit = next(10**k for k in range(12, -1, -1) if preset.published % 10**k == 0)
    count = preset.released or expected_parameters(preset)
    if abs(count - preset.published) > unit / 2:
        assert f"The paper prints {preset.published // 10**6}M" in preset.note


GPT3 = [preset for preset in PRESETS if preset.name.startswith("gpt3")]
STEPS = {"gpt-neo-125m": 572_300, "gpt-neo-1.3b": 362_000, "gpt-neo-2.7b": 400_000, "gpt-j-6b": 383_500}


@pytest.mark.parametrize("preset", GPT3, ids=lambda preset: preset.name)
def test_operations_of_gpt3_are_six_for_each_parameter_and_token(preset):
    operations = training_flops(expected_parameters(preset), preset.training.tokens)
    assert operations / PETAFLOP_DAY == pytest.approx(preset.training.petaflop_days, rel=0.02)


@pytest.mark.parametrize("name", STEPS)
def test_tokens_are_batches_of_the_steps_on_the_model_card(name):
    training = find(name).training
    assert training.tokens / training.batch == pytest.approx(STEPS[name], rel=0.01)


def test_gpt2_is_found_by_its_name():
    assert find("gpt2-xl") is find(" GPT2 XL ")
    assert find("gpt2-xl").released == 1_557_611_200
    with pytest.raises(BadInput, match="'gpt5'; there are gpt, bert-base"):
        find("gpt5")


def test_names_are_different_and_as_find_wants_them():
    assert len({preset.name for preset in PRESETS}) == len(PRESETS) == 26
    assert all(find(preset.name) is preset for preset in PRESETS)


def test_rows_are_plain_data():
    found = rows()
    assert [row["name"] for row in found] == [preset.name for preset in PRESETS]
    assert len({tuple(row) for row in found}) == 1, "every row has the same names"
    for row in found:
        assert all(value is None or isinstance(value, str | int | float | tuple) for value in row.values())
    gpt3 = next(row for row in found if row["name"] == "gpt3-175b")
    assert gpt3["parameters"] == 174_604_259_328 and gpt3["betas"] == (0.9, 0.95)
    assert gpt3["flops"] == pytest.approx(gpt3["flops_6nd"], rel=0.1)
    assert next(row for row in found if row["name"] == "gpt2")["tokens"] is None


def test_a_value_in_a_cell():
    assert [shown(x) for x in (None, 124_439_808, 2.5e-4, (0.9, 0.95), "V100")] == [
        "—", "124,439,808", "0.00025", "0.9, 0.95", "V100",
    ]  # fmt: skip
