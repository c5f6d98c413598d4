"""A conversation: what is said stays, the oldest is forgotten when it must be, and Ctrl-C stops an answer only."""

import io

import numpy as np
import pytest
from command_line import CONTEXT, assert_refused

from autograd import Key
from tinygpt.commands.chat import converse
from tinygpt.errors import BadInput
from tinygpt.generate import chain, generate, temperature
from tinygpt.generate import chat as chat_module
from tinygpt.generate.bare import NewTokens
from tinygpt.generate.chat import Conversation
from tinygpt.model import GPT, GPTConfig
from tinygpt.model.block import Block
from tinygpt.text.templates import TEMPLATES, Message, Template
from tinygpt.text.tokenizer import END_OF_TEXT, Tokenizer

pytest_plugins = ["command_fixtures"]
pytestmark = [pytest.mark.core, pytest.mark.usefixtures("without_matplotlib")]

TOKENIZER = Tokenizer()
PLAIN = Template("", "u:", "a:", "\n", ("\nu:",))


def conversation(context=80, max_new_tokens=10, template=PLAIN, n_layer=1, seed=0, **options):
    model = GPT(GPTConfig(TOKENIZER.vocab_size, context, n_layer=n_layer, n_head=1, n_embd=4), Key(seed))
    return Conversation(model, TOKENIZER, template, max_new_tokens, **options)


@pytest.fixture
def prompts(monkeypatch):
    """The prompts that the model is given, in place of an answer that it makes: answer n is " answer n"."""
    seen = []

    def answers(model, prompt, max_new_tokens, rule, key, stop_tokens, reader):
        seen.append(TOKENIZER.decode(prompt))
        return iter(TOKENIZER.encode(f" answer {len(seen)}\nu: no more")[:max_new_tokens])

    monkeypatch.setattr(chat_module, "generate", answers)
    return seen


def test_templates():
    parts = (("system", "Be brief."), ("user", "Hi."), ("assistant", "Yes?"), ("user", "No."))
    said = [Message(role, text) for role, text in parts]
    written = {name: template.prompt(said) for name, template in TEMPLATES.items()}
    assert written["transcript"] == "Be brief.\nUser: Hi.\nAssistant: Yes?\nUser: No.\nAssistant:"
    assert written["instruction"].endswith("### Response:\nYes?\n\n### Instruction:\nNo.\n\n### Response:\n")
    assert written["lines"] == "Be brief.\nHi.\nYes?\nNo.\n"
    for name, template in TEMPLATES.items():
        message = template.message(said[1])
        assert written[name].count(message) == 1
        assert any(("\n" + message).startswith(stop) for stop in template.stop), "the user's part ends an answer"


def test_what_was_said_is_the_prompt_of_what_comes_next(prompts):
    talk = conversation(200, max_new_tokens=40, system="Sys.")
    assert ["".join(talk.answer(text)) for text in ("one", "two")] == ["answer 1", "answer 2"]
    assert prompts == ["Sys.\nu: one\na:", "Sys.\nu: one\na: answer 1\nu: two\na:"]
    talk.begin_anew()
    assert "".join(talk.answer("three")) == "answer 3" and prompts[2] == "Sys.\nu: three\na:"
    assert talk.forgotten == 0


def test_white_space_behind_an_answer_is_not_remembered(prompts, monkeypatch):
    """The template ends the line itself."""
    monkeypatch.setattr(chat_module, "stream_text", lambda *_: iter([" yes", "  \n\n"]))
    talk = conversation(200)
    assert "".join(talk.answer("one")) == "yes  \n\n"
    "".join(talk.answer("two"))
    assert prompts == ["u: one\na:", "u: one\na: yes\nu: two\na:"]


def test_an_answer_is_what_generate_writes():
    rule = temperature(2.0)
    for key in (None, Key(3)):
        talk = conversation(rule=rule, key=key)
        for n in range(2):
            said = [each for exchange in talk.exchanges for each in exchange]
            prompt = TOKENIZER.encode(PLAIN.prompt([*said, Message("user", "x")]))
            tokens = generate(talk.model, prompt, 10, rule, key and key.fold("answer", n))
            assert "".join(talk.answer("x")) == TOKENIZER.decode(tokens).lstrip()


def letters(logits, tokens):
    """A rule whose answers, a space and letters, are the same bytes when they are read again as text."""
    places = np.arange(len(logits))
    allowed = places == ord(" ") if tokens[-1] == ord(":") else (places >= ord("a")) & (places <= ord("z"))
    return np.where(allowed, logits, -np.inf)


def test_what_was_read_is_not_read_again(monkeypatch):
    talk, sizes, read = conversation(200, rule=letters), [], NewTokens.__call__

    def counted(self, ids, cache):
        sizes.append(ids.shape[1])
        return read(self, ids, cache)

    monkeypatch.setattr(NewTokens, "__call__", counted)
    "".join(talk.answer("first"))
    assert sizes == [len("u: first\na:")] + 9 * [1]
    sizes.clear()
    "".join(talk.answer("second"))
    assert sizes == [len("?\nu: second\na:")] + 9 * [1], "the last token of the answer, and what is new"
    sizes.clear()
    talk.begin_anew()
    "".join(talk.answer("third"))
    assert sizes[0] == len("third\na:"), "all templates begin alike"


def test_a_reading_that_was_stopped_leaves_nothing_behind(monkeypatch):
    said, call, calls = ("one", "two", "three"), Block.__call__, []
    undisturbed = conversation(200, rule=letters, n_layer=3)
    expected = ["".join(undisturbed.answer(text)) for text in said]

    def stopped(self, *arguments):
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return call(self, *arguments)

    talk = conversation(200, rule=letters, n_layer=3)
    assert "".join(talk.answer("one")) == expected[0]
    monkeypatch.setattr(Block, "__call__", stopped)
    with pytest.raises(KeyboardInterrupt):
        "".join(talk.answer("two"))
    talk.exchanges.pop()
    assert ["".join(talk.answer(text)) for text in said[1:]] == expected[1:]


def test_a_model_that_has_learned_meanwhile_reads_anew():
    other = conversation(200, seed=1).model
    for each in other.parameters():  # fresh weights hardly look at what was said
        each.data = each.data * 30
    copied, replaced = (lambda m: m.load_state_dict(other.state_dict())), (lambda m: setattr(m, "h", other.h))
    for change in (copied, replaced):
        talk, fresh = (conversation(200, rule=letters) for _ in range(2))
        for each in (talk, fresh):
            each.exchanges = [(Message("user", "one"), Message("assistant", "two"))]
        "".join(talk.answer("three"))
        talk.exchanges.pop()
        change(talk.model)
        change(fresh.model)
        assert "".join(talk.answer("three")) == "".join(fresh.answer("three"))


def test_special_tokens_in_what_is_said_are_text(monkeypatch):
    tokenizer, seen = Tokenizer.train(["what is said"], 260, special_tokens=(END_OF_TEXT,)), []
    monkeypatch.setattr(chat_module, "generate", lambda model, prompt, *_: iter(seen.append(prompt) or []))
    talk = conversation(200, system=END_OF_TEXT)
    talk.tokenizer = tokenizer
    assert "".join(talk.answer(f"a{END_OF_TEXT}")) == ""
    assert tokenizer.end_of_text not in seen[0] and tokenizer.decode(seen[0]).count(END_OF_TEXT) == 2


def test_the_oldest_exchanges_are_forgotten_when_there_is_no_room(prompts):
    talk = conversation(context=60, max_new_tokens=20, system="S")
    for text in ("first", "second", "third"):
        assert "".join(talk.answer(text)).startswith("answer")
    assert talk.forgotten == 1
    assert prompts[2] == "S\nu: second\na: answer 2\nu: third\na:", "the system message stays, whole exchanges go"
    assert all(len(TOKENIZER.encode(prompt)) <= 40 for prompt in prompts)


def test_an_answer_that_may_be_long_is_left_half_of_the_context(prompts):
    talk = conversation(context=60, max_new_tokens=200)
    said = ["".join(talk.answer(text)) for text in ("a", "b")]
    assert said == ["answer 1", "answer 2"] and prompts[1] == "u: a\na: answer 1\nu: b\na:"
    "".join(talk.answer("c"))
    assert prompts[2] == "u: b\na: answer 2\nu: c\na:" and talk.forgotten == 1


def test_a_message_that_leaves_no_room_is_refused_and_not_remembered(prompts):
    talk = conversation(context=30, max_new_tokens=200)
    "".join(talk.answer("hi"))
    for length in (24, 30):  # with six characters around it the shorter fills the context to its last token
        with pytest.raises(BadInput, match="the context is 30"):
            talk.answer("x" * length)
    assert len(talk.exchanges) == 1 and talk.forgotten == 0
    assert "".join(talk.answer("x" * 21)) == "an", "whatever is left of the context is used"
    assert talk.forgotten == 1


def test_an_answer_that_is_not_heard_to_its_end_is_remembered_as_far_as_it_came(prompts):
    talk = conversation(200, max_new_tokens=40)
    pieces = talk.answer("one")
    assert [next(pieces) for _ in range(4)] == ["", "a", "n", "s"]
    pieces.close()
    "".join(talk.answer("two"))
    assert prompts[1] == "u: one\na: ans\nu: two\na:"


def test_an_answer_that_failed_is_not_remembered(typed):
    """Its beginning was shown; what comes next is written as if the message had never been sent."""

    def few(logits, tokens):
        return letters(logits, tokens) if tokens[-4:].count(ord("q")) < 1 else np.full_like(logits, -np.inf)

    def q(logits, tokens):
        return np.where(np.arange(len(logits)) == ord("q"), logits, -np.inf) if len(tokens) > 18 else logits

    talk, fresh = (conversation(200, rule=chain(few, q)) for _ in range(2))
    pieces, shown = talk.answer("first"), ""
    with pytest.raises(BadInput, match="exclude every token"):
        for piece in pieces:
            shown += piece
    assert shown.endswith("q") and len(shown) > 3
    assert talk.exchanges == [] and talk.answered == 0
    said = typed(fresh, "first", "first")
    assert said.out == f"{shown}\n{shown}\n" and said.err.count("exclude every token") == 2


def test_weights_changed_in_place_are_read_anew_when_told():
    talk, fresh = (conversation(200, rule=letters) for _ in range(2))
    for each in (talk, fresh):
        for p in each.model.parameters():  # fresh weights hardly look at what was said
            p.data = p.data * 30
        each.exchanges = [(Message("user", "one"), Message("assistant", "two"))]
    "".join(talk.answer("three"))
    talk.exchanges.pop()
    for each in (talk, fresh):
        for p in each.model.parameters():
            p.data[...] *= -0.7
    talk.read_anew()
    assert "".join(talk.answer("three")) == "".join(fresh.answer("three"))


def test_a_conversation_needs_room():
    with pytest.raises(BadInput, match=r"system=.xxxx.* takes 28 tokens, and the context is 28"):
        conversation(28, system="x" * 21)
    conversation(29, system="x" * 21)
    with pytest.raises(BadInput, match="the template takes 6 tokens"):
        conversation(6)


def interrupted(pieces, after):
    for n, piece in enumerate(pieces):
        if n == after:
            raise KeyboardInterrupt
        yield piece


@pytest.fixture
def typed(monkeypatch, capsys):
    """What a conversation shows when these lines are typed or piped in."""

    def run(talk, *lines, terminal=False):
        stdin = io.StringIO("".join(f"{line}\n" for line in lines))
        stdin.isatty = lambda: terminal
        monkeypatch.setattr("sys.stdin", stdin)
        converse(talk)
        return capsys.readouterr()

    return run


def test_ctrl_c_stops_the_answer_and_not_the_program(prompts, typed, monkeypatch):
    whole, talk = chat_module.stream_text, conversation(200, max_new_tokens=40)
    monkeypatch.setattr(
        chat_module, "stream_text", lambda *given: interrupted(whole(*given), 4 if len(prompts) == 1 else 99)
    )
    shown = typed(talk, "one", "two")
    assert shown.out == "ans\nanswer 2\n" and shown.err == ""
    assert prompts[1] == "u: one\na: ans\nu: two\na:"


@pytest.mark.parametrize("ending", [KeyboardInterrupt, EOFError])
def test_ctrl_c_at_the_prompt_ends(prompts, monkeypatch, capsys, ending):
    waiting = iter(["one", ending()])

    def answer_or_raise(prompt):
        assert prompt == ""
        if isinstance(line := next(waiting), BaseException):
            raise line
        return line

    monkeypatch.setattr("builtins.input", answer_or_raise)
    converse(conversation(200, 40))
    assert capsys.readouterr().out == "answer 1\n" and next(waiting, None) is None


def test_pipes_get_answers_and_nothing_else(prompts, typed):
    shown = typed(conversation(200, 40), "one", "", "   ", "two", "/exit", "three")
    assert shown.out == "answer 1\nanswer 2\n" and shown.err == ""
    assert typed(conversation(200, 40), "four", terminal=True).out == "> answer 3\n> \n"


def test_commands_that_do_not_exist_are_told(prompts, typed):
    shown = typed(conversation(200, 40), "one", "/save it", "/new", "two")
    assert shown.out == "answer 1\nanswer 2\n" and prompts[1] == "u: two\na:"
    assert "/save" in shown.err and "/exit" in shown.err and len(shown.err.splitlines()) == 1


def test_forgetting_is_said_once_and_too_long_a_message_each_time(prompts, typed):
    shown = typed(conversation(60, 20), *["a longer line"] * 5, "x" * 60)
    assert len(shown.out.splitlines()) == 5
    forgotten, too_long = shown.err.splitlines()
    assert "forgotten" in forgotten and "context is 60" in too_long


def test_the_command(command, trained, monkeypatch):
    lines = ["the cat", "a dog,"]

    def chat(*options):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return command("chat", trained, "--template", "lines", "--max-new-tokens", "6", *options)

    first = chat()
    assert first.status == 0 and len(first.out.splitlines()) == 2
    assert chat().out == first.out != chat("--seed", "2", "--temperature", "3").out
    assert chat("--greedy").out == chat("--top-k", "1", "--seed", "9").out
    assert_refused(chat("--top-k", "99"), "--top-k 99")
    assert_refused(chat("--max-new-tokens", "0"), "--max-new-tokens")
    assert_refused(chat("--template", "opera"), "opera")
    assert_refused(chat("--template", "transcript"), "'U'")
    assert_refused(chat("--system", "the cat " * 9), "--system='the cat", "takes 74 tokens, and the context is 16")
    lines[:] = ["t" * CONTEXT]
    assert f"context is {CONTEXT}" in chat().err
    assert_refused(command("chat", trained / "none"), "no run")


def test_input_that_is_no_text(command, trained, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\n"), encoding="utf-8"))
    assert_refused(command("chat", trained, "--template", "lines"), "standard input is not utf-8")
