"""Mistakes that writing, searching and reading files of weights can have; of the form of those in mutants.py."""

from __future__ import annotations

from mutant import mutants

RULES, RULES_OF_TEXT, CHOOSING, DAMAGE = "test_rules", "test_rules_history", "test_choosing", "test_interop_damage"

GENERATION = [
    *mutants("tinygpt/generate/reading.py", ("self.tokens = self.tokens[:known]", "pass", "stopped", "test_generate")),
    *mutants(
        "tinygpt/generate/sampling.py",
        ("* cumulative[-1]", "", "greatest", RULES),
        ("softmax(descending.astype(np.float64))", "softmax(descending)", "top_p", RULES),
    ),
    *mutants("tinygpt/generate/history.py", ("ids.get(rest, ())", "ids.get(rest, ())[-1:]", "spells", RULES_OF_TEXT)),
    *mutants("tinygpt/generate/decoding.py", ("+ max_new_tokens - 1 ", "+ max_new_tokens ", "reader", "test_bare")),
    *mutants("tinygpt/model/cache.py", ("self.length = min(self.length, length)", "pass", "changes", "test_bare")),
    *mutants(
        "tinygpt/generate/beam.py",
        ('== "never" else (length,)', '== "never" else (length + 1,)', "stops", "test_beam"),
        ("for each in lengths) > found", "for each in lengths) >= found", "stops", "test_beam"),
    ),
    *mutants("tinygpt/generate/speculative.py", ("draft.context + 1)", "draft.context)", "full", "test_speculative")),
    *mutants("tinygpt/generate/chat.py", ("self._context // 2)", "self._context)", "half", "test_chat")),
    *mutants("tinygpt/commands/choosing.py", ("*more, options.choosing()", "options.choosing(), *more", "", CHOOSING)),
    *mutants(
        "tinygpt/commands/generate.py",
        ("*known_tokens(model, tokenizer), options.forb", "options.forb", "padded", CHOOSING),
        ("len(prompt_ids(tokenizer, options.prompt))", "len(options.prompt)", "least_number", CHOOSING),
    ),
    *mutants("tinygpt/commands/drafting.py", ("if text.stream.stopped:", "if False:", "draft", "test_cli_generate")),
]

READING = [
    *mutants("tinygpt/interop/directories.py", ("place.get(weight) != name", "weight not in place", "index", DAMAGE)),
    *mutants("tinygpt/interop/gpt2.py", ("a.dtype == b.dtype and ", "", "named", DAMAGE)),
    *mutants("tinygpt/safetensors.py", ("(e.start, e.stop)", "e.start", "empty", "test_safetensors")),
]
