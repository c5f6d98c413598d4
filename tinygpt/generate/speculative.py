"""Speculative decoding: a small model, the draft, guesses some tokens ahead, and the large one checks them all at once.

A forward of the large model, the target, has to read all its weights, for one token as for five. Guesses are accepted
or rejected at random, and the first rejected one is replaced, such that the text has exactly the distribution of the
target alone. Below, a reading is one forward of the target.

V vocabulary, K guesses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from autograd import Key, softmax

from ..errors import BadInput, require_whole
from ..model import GPT
from .decoding import GeneratedToken, check_prompt, log_probability
from .reading import OneText
from .sampling import Rule, greedy, require_predictions, sample

# If a guess costs a tenth of a reading and 7 of 10 are accepted, n guesses give (1 − 0.7ⁿ⁺¹)/0.3 tokens for the time of
# 1 + 0.1 n readings; the ratio is greatest for n = 4 (Leviathan et al. 2023, theorem 3.8).
AHEAD = 4
NOTHING = -1  # in place of a guess, where the draft has made none


def speculative_generate(
    target: GPT,
    draft: GPT,
    prompt: Sequence[int],
    max_new_tokens: int,
    rule: Rule | None = None,
    key: Key | None = None,
    stop_tokens: Collection[int] = (),
    ahead: int = AHEAD,
) -> Speculation:
    """New tokens as they come, distributed as those of `generate(target, …)`, with fewer readings of the target.

    The rule is applied to both models. Without a key the tokens are those of greedy `generate` (where the two likeliest
    differ by no more than rounding, either may come). With a key, the same key and `ahead` write the same text, though
    not the one that the target alone would write with that key. When the draft's context is full, it stops guessing.

    Raises BadInput as `generate` does, for vocabularies of different sizes, for `ahead` below 1, and where the prompt
    and max_new_tokens together do not fit into the target's context, which its cache holds.
    """
    check_prompt(target, prompt, "the prompt")
    sizes, context = (target.config.vocab_size, draft.config.vocab_size), target.config.block_size
    if sizes[0] != sizes[1]:
        raise BadInput(
            f"the draft has {sizes[1]} tokens and the model {sizes[0]}: both need the same tokenizer, and "
            "tables of one size"
        )
    require_whole("ahead", ahead, 1)
    require_whole("max_new_tokens", max_new_tokens, 0)
    if len(prompt) + max_new_tokens > context:
        left = context - len(prompt)
        remedy = f"so max_new_tokens must be at most {left}" if left > 0 else "so shorten it, or leave out the draft"
        raise BadInput(
            f"with a draft the whole text must fit into the model's context of {context} tokens: the prompt has "
            f"{len(prompt)}, {remedy}"
        )
    return Speculation(target, draft, prompt, max_new_tokens, rule, key, stop_tokens, ahead)


class Speculation(Iterator[GeneratedToken]):
    """Yields the tokens, each with its log-probability under the target, and counts how well the draft guesses.

    proposed, accepted: guesses that were made, and that were kept. readings: forwards of the target.
    """

    def __init__(
        self,
        target: GPT,
        draft: GPT,
        prompt: Sequence[int],
        max_new_tokens: int,
        rule: Rule | None,
        key: Key | None,
        stop_tokens: Collection[int],
        ahead: int,
    ) -> None:
        self.proposed = self.accepted = self.readings = 0
        self._target, self._draft = OneText(target), OneText(draft)
        self._tokens, self._end = list(prompt), len(prompt) + max_new_tokens
        self._rule, self._stop_tokens, self._ahead = rule, stop_tokens, ahead
        self._greedy, self._key = key is None, key or Key(0)  # greedy: nothing depends on what is drawn
        self._written = self._rounds()

    def __next__(self) -> GeneratedToken:
        return next(self._written)

    def _rounds(self) -> Iterator[GeneratedToken]:
        while len(self._tokens) < self._end:
            for written in self._round():
                if written.token in self._stop_tokens:
                    return
                self._tokens.append(written.token)
                yield written

    def _round(self) -> Iterator[GeneratedToken]:
        """One reading of the target: the guesses that it accepts, then one token of its own."""
        guesses, drawn_from = self._guess()
        after = self._target.logits([*self._tokens, *guesses], 1 + len(guesses))
        self.readings += 1
        for logits, guess, q in zip(after, [*guesses, NOTHING], [*drawn_from, np.zeros(after.shape[1])]):
            token = accept_or_redraw(self._distribution(logits, self._tokens), q, guess, self._key_of(self._tokens))
            self.accepted += token == guess  # before the yield, after which nobody may ask for more
            yield GeneratedToken(token, log_probability(logits.astype(np.float64), token))
            if token != guess:
                break

    def _guess(self) -> tuple[list[int], list[np.ndarray]]:
        """Up to K tokens of the draft and the distributions (V,) that they were drawn from.

        On a text that the target would not write, the rules may leave no token to draw: guessing then ends.
        """
        tokens, drawn_from = list(self._tokens), []
        last = min(len(tokens) + self._ahead, self._end - 1, self._draft.context + 1)
        while len(tokens) < last:
            q = self._distribution(self._draft.logits(tokens, 1)[0], tokens, may_be_empty=True)
            if not q.any():
                break
            drawn_from.append(q)
            tokens.append(_draw(q, self._key_of(tokens).fold("guess")))
        self.proposed += len(drawn_from)
        return tokens[len(self._tokens) :], drawn_from

    def _distribution(self, logits: np.ndarray, tokens: Sequence[int], may_be_empty: bool = False) -> np.ndarray:
        """A model's probabilities (V,) after the rule; when greedy, the likeliest token has probability 1."""
        require_predictions(logits)
        allowed = self._rule(logits, tokens) if self._rule else logits
        if may_be_empty and allowed.max() == -np.inf:
            return np.zeros(len(allowed))
        likeliest = greedy(allowed)  # raises where there is no token to choose
        return np.eye(1, len(allowed), likeliest)[0] if self._greedy else softmax(allowed.astype(np.float64)).data

    def _key_of(self, tokens: Sequence[int]) -> Key:
        """The key for the token after these. Several rounds may draw with it, but only one decides that token."""
        return self._key.fold("token", len(tokens))


def accept_or_redraw(p: np.ndarray, q: np.ndarray, guess: int, key: Key) -> int:
    """A token distributed as p (V,); as often as possible it is the guess, which was drawn from q (V,).

    The probability that x is guessed and accepted is q(x) · min(1, p(x)/q(x)) = min(p(x), q(x)). To reach p(x),
    max(p(x) − q(x), 0) is missing. Since p and q both add up to 1, the missing parts add up to the probability that a
    guess is rejected. So a token drawn from the missing parts, normalized, after each rejection gives exactly p. Where
    q is 0 everywhere, nothing was guessed, and the token is drawn from p.

    Formula: P(accept x) = min(1, p(x)/q(x)); else x ~ max(p − q, 0) / Σ max(p − q, 0)
    Paper: Leviathan, Kalman & Matias 2023, "Fast inference from transformers via speculative decoding", section 2.3
    Example: examples/11_speculative.py
    Test: tests/test_speculative.py
    """
    if guess != NOTHING and key.fold("accept").uniform(1)[0] * q[guess] < p[guess]:
        return guess
    missing = np.maximum(p - q, 0)
    return _draw(missing if missing.any() else p, key.fold("again"))  # where p = q, rounding alone may reject


def _draw(weights: np.ndarray, key: Key) -> int:
    """A token with a probability in proportion to its weight."""
    with np.errstate(divide="ignore"):
        return sample(np.log(weights), key)
