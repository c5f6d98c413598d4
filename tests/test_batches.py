"""Windows over a row of tokens: what is asked, how often, and that asking again gives the same."""


import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.errors import BadInput
from tinygpt.text.batches import IGNORE, random_windows, strided_windows

pytestmark = pytest.mark.core

ROW = np.arange(1000, dtype=np.uint16)
"""Token i is i, so that a value tells its place."""


def test_targets_are_the_successors_of_the_inputs():
    batch = random_windows(ROW, batch_size=7, block_size=13, seed=1, index=2)
    assert batch.inputs.shape == batch.targets.shape == (7, 13)
    assert batch.inputs.dtype == batch.targets.dtype == np.int64
    np.testing.assert_array_equal(batch.targets, batch.inputs + 1)
    np.testing.assert_array_equal(np.diff(batch.inputs, axis=1), 1)


def test_a_batch_depends_on_seed_and_index_alone():
    def starts(seed, index):
        return tuple(random_windows(ROW, 4, 8, seed, index).inputs[:, 0])

    first = starts(3, 5)
    drawn = {starts(seed, index) for seed in range(-2, 6) for index in range(8)}
    assert len(drawn) == 64, "different seeds or indices drew the same batch"
    assert starts(3, 5) == first


def test_every_start_is_drawn_and_none_beyond():
    row = np.arange(10)
    inputs = np.concatenate([random_windows(row, 8, 7, seed=0, index=index).inputs for index in range(20)])
    assert set(inputs[:, 0]) == {0, 1, 2}


def test_a_row_of_one_window_has_one_start():
    batch = random_windows(np.arange(6), 3, 5, seed=0, index=0)
    np.testing.assert_array_equal(batch.targets, [[1, 2, 3, 4, 5]] * 3)


@settings(max_examples=60, deadline=None)
@given(n_tokens=st.integers(2, 80), batch_size=st.integers(1, 5), block_size=st.integers(1, 30), data=st.data())
def test_meeting_windows_score_every_target_once(n_tokens, batch_size, block_size, data):
    stride = data.draw(st.integers(1, block_size))
    row = np.arange(n_tokens)
    scored = []
    for inputs, targets in strided_windows(row, batch_size, block_size, stride):
        assert inputs.shape == targets.shape and inputs.shape[0] <= batch_size and inputs.shape[1] == block_size
        counted = targets != IGNORE
        np.testing.assert_array_equal(inputs[counted] + 1, targets[counted])
        scored += targets[counted].tolist()
    assert scored == list(range(1, n_tokens))


def test_a_smaller_stride_gives_every_later_target_context():
    for window, batch in enumerate(strided_windows(ROW, 1, 10, stride=3)):
        first_scored = np.flatnonzero(batch.targets[0] != IGNORE)[0]
        assert first_scored == (0 if window == 0 else 7)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: random_windows(np.arange(8), 1, 8, 0, 0), "8 tokens.*context of 8.*block_size to at most 7"),
        (lambda: random_windows(ROW, 0, 8, 0, 0), "batch_size must be at least 1"),
        (lambda: random_windows(ROW, 1, 0, 0, 0), "block_size must be at least 1"),
        (lambda: random_windows(ROW / 2, 1, 8, 0, 0), "one row of integers"),
        (lambda: random_windows(ROW.reshape(2, -1), 1, 8, 0, 0), "one row of integers"),
        (lambda: strided_windows(ROW[:1], 1, 8), "1 tokens, and a prediction needs at least 2"),
        (lambda: strided_windows(ROW, 1, 8, stride=9), "stride of 9"),
        (lambda: strided_windows(ROW, 1, 8, stride=0), "stride must be at least 1"),
    ],
)
def test_bad_input_says_what_to_do(ask, message):
    with pytest.raises(BadInput, match=message):
        ask()
