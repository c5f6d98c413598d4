"""Random numbers as values: the same key gives the same numbers, whatever the blocks, and they look random."""

import numpy as np
import pytest

import autograd as ag
from autograd import Key

pytestmark = pytest.mark.core


class TestBits:
    def test_the_same_key_gives_the_same_bits(self):
        np.testing.assert_array_equal(Key(3).bits(100), Key(3).bits(100))
        assert (Key(3).bits(100) != Key(4).bits(100)).mean() > 0.9

    def test_they_are_those_of_every_machine(self):
        """Recorded once: a later version must draw what an earlier one drew, or no run resumes."""
        assert Key(0).bits(4).tolist() == [1855043543, 2912097260, 717154172, 2643234308]

    def test_the_shape_is_only_a_shape(self):
        np.testing.assert_array_equal(Key(1).bits((3, 4, 5)).reshape(-1), Key(1).bits(60))

    @pytest.mark.parametrize("block", [1, 7, 64, 999])
    def test_blocks_do_not_matter(self, block):
        key, n = Key(5).fold("blocks"), 1000
        parts = [key.bits(min(block, n - start), start=start) for start in range(0, n, block)]
        np.testing.assert_array_equal(np.concatenate(parts), key.bits(n))

    def test_beyond_32_bits_of_place(self):
        key, start = Key(9), 2**32 - 3
        whole = key.bits(6, start=start)
        np.testing.assert_array_equal(whole, np.concatenate([key.bits(3, start=start), key.bits(3, start=2**32)]))
        assert (key.bits(1000, start=2**32) != key.bits(1000)).mean() > 0.9, "the numbers must not come round again"

    def test_none(self):
        assert Key(0).bits((0, 3)).shape == (0, 3)


def test_numpys_integers_are_as_good_as_pythons():
    assert Key(np.int64(3)) == Key(3) and Key(np.int64(3)).fold("x") == Key(3).fold("x")
    assert Key(3).fold("x", np.int32(1)) == Key(3).fold("x", 1)
    np.testing.assert_array_equal(Key(np.int64(-3)).normal((2,)), Key(-3).normal((2,)))
    for wrong in (1.5, "1", None):
        with pytest.raises(TypeError):
            Key(wrong)


class TestFold:
    def test_differs_for_every_name_and_number(self):
        key = Key(0)
        folds = [key.fold(), key.fold("a"), key.fold("b"), key.fold("a", 1), key.fold("a1"), key.fold("a").fold(1),
                 key.fold(1), key.fold("1"), key.fold(1, 2), key.fold(12), key.fold(2, 1), Key(1).fold("a"),
                 Key(-1).fold("a")]  # fmt: skip
        assert len({k.seed for k in (key, *folds)}) == 1 + len(folds)

    def test_streams_are_unrelated(self):
        n = 20_000
        streams = np.stack([Key(0).fold("step", i).uniform(n) for i in range(8)])
        correlations = np.corrcoef(streams) - np.eye(8)
        assert np.abs(correlations).max() < 5 / np.sqrt(n)


class TestDistributions:
    def test_uniform(self):
        """χ² over 256 equal cells has mean 255 and standard deviation √510."""
        n, cells = 256_000, 256
        u = Key(11).uniform(n)
        assert u.min() >= 0 and u.max() < 1
        counts = np.bincount((u * cells).astype(int), minlength=cells)
        chi_squared = ((counts - n / cells) ** 2 / (n / cells)).sum()
        assert abs(chi_squared - (cells - 1)) < 5 * np.sqrt(2 * (cells - 1))

    def test_neighbours_are_unrelated(self):
        u = Key(12).uniform(100_000)
        for distance in (1, 2, 64):
            assert abs(np.corrcoef(u[distance:], u[:-distance])[0, 1]) < 5 / np.sqrt(len(u))

    def test_every_bit_is_fair(self):
        n = 100_000
        bits = Key(13).bits(n)
        ones = np.array([((bits >> np.uint32(i)) & np.uint32(1)).mean() for i in range(32)])
        assert np.abs(ones - 0.5).max() < 5 * 0.5 / np.sqrt(n)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_normal(self, dtype):
        n, std = 200_000, 0.02
        x = Key(14).normal((n,), std, dtype)
        assert x.dtype == dtype
        assert abs(x.mean()) < 5 * std / np.sqrt(n)
        assert abs(x.std() - std) < 5 * std / np.sqrt(2 * n)
        assert abs((np.abs(x) < std).mean() - 0.6827) < 5 * 0.5 / np.sqrt(n)
        np.testing.assert_array_equal(x, Key(14).normal((n,), std, dtype))


class TestDropout:
    def test_keeps_the_mean_and_drops_the_share(self):
        n, p = 100_000, 0.3
        y = ag.dropout(np.ones(n), p, Key(1)).data
        assert set(np.unique(y)) == {0.0, 1 / (1 - p)}
        assert abs((y == 0).mean() - p) < 5 * np.sqrt(p * (1 - p) / n)

    def test_does_not_depend_on_threads(self, set_cores):
        x, key = np.ones((700, 600), dtype=np.float32), Key(2)
        results = []
        for cores in (1, 3):
            set_cores(cores)
            results.append(ag.dropout(x, 0.5, key).data)
        np.testing.assert_array_equal(*results)

    def test_an_element_depends_on_its_place_in_the_whole_batch_alone(self):
        x, key = np.ones((4, 8)), Key(3)
        np.testing.assert_array_equal(ag.dropout(x, 0.5, key).data[:2], ag.dropout(x[:2], 0.5, key).data)

    def test_no_key_means_no_dropout(self):
        x = ag.Tensor(np.ones(3))
        assert ag.dropout(x, 0.5, None) is x and ag.dropout(x, 0.0, Key(0)) is x

    def test_everything(self):
        assert not ag.dropout(np.ones(5), 1.0, Key(0)).data.any()
