"""Short byte strings as pairs of numbers, and a hash table that finds many of them at once.

A dictionary looks up one string at a time, and each must first become an object. Fifteen bytes and their length fit
into two 64-bit integers. These are stored in columns, and one NumPy operation reads, compares or looks up a whole
column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LONGEST_KEY = 15
"""Bytes that a key holds, beside their length; of a hundred thousand pieces of English prose some five are longer."""

FEWEST_SLOTS = 1 << 12

_LOW_BYTES = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)
_ODD = [int(number) | 1 for number in np.random.SeedSequence().generate_state(2, np.uint64)]
"""Factors of the hash, drawn anew in each process, so that nobody can prepare a text whose pieces all get one slot."""


class Column:
    """An array that grows at its end."""

    def __init__(self, dtype: type) -> None:
        self._values, self._length = np.zeros(1, dtype), 0

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self._values[rows]

    def append(self, values: np.ndarray) -> None:
        before, self._length = self._length, self._length + len(values)
        if self._length > len(self._values):
            self._values = np.resize(self._values, 2 * self._length)
        self._values[before : self._length] = values


def stretches(values: np.ndarray | Column, first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """values[first : first + count] for each first and count, concatenated: element n of the result is values[first + n
    − begin], where `begin` is the place of its stretch in the result."""
    begin = np.cumsum(count) - count
    return values[np.arange(count.sum()) + np.repeat(first - begin, count)]


@dataclass(frozen=True, eq=False)
class Keys:
    """One column holds the first eight bytes of each string, the other the next seven and the length."""

    low: np.ndarray | Column
    high: np.ndarray | Column

    @classmethod
    def of(cls, data: bytes, starts: np.ndarray, lengths: np.ndarray) -> Keys:
        """The keys of the strings data[start : start + length]; equal strings have equal keys.

        Strings longer than LONGEST_KEY all have the same `high`; their `low` is arbitrary, for the caller to set.
        """
        eight_from = np.ndarray(len(data) + 9, "<u8", data + bytes(16), strides=(1,))
        low = eight_from[starts] & _LOW_BYTES[np.minimum(lengths, 8)]
        high = eight_from[starts + 8] & _LOW_BYTES[np.clip(lengths - 8, 0, 7)]
        high |= lengths.astype(np.uint64) << np.uint64(56)
        high[lengths > LONGEST_KEY] = np.uint64(LONGEST_KEY + 1) << np.uint64(56)
        return cls(low, high)

    @classmethod
    def of_pairs(cls, left: np.ndarray, right: np.ndarray) -> Keys:
        """The keys of pairs of ids, each below 2³²."""
        low = left.astype(np.uint64) << np.uint64(32) | right.astype(np.uint64)
        return cls(low, np.zeros_like(low))

    def __len__(self) -> int:
        return len(self.low)

    def rows(self, rows: np.ndarray) -> Keys:
        return Keys(self.low[rows], self.high[rows])

    def differ(self, other: Keys) -> np.ndarray:
        return (self.low != other.low) | (self.high != other.high)


class KeyTable:
    """Numbers keys 0, 1, 2 … as they are added. A hash chooses the slot of a key; if it is taken, the next is tried.

    Linear probing: Knuth 1973, "The art of computer programming", volume 3, section 6.4, algorithm L.
    """

    def __init__(self) -> None:
        self._keys = Keys(Column(np.uint64), Column(np.uint64))
        self._slots = np.full(FEWEST_SLOTS, -1)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, keys: Keys) -> np.ndarray:
        """The number of each key, −1 if it has none."""
        slots = self._hash(keys)
        numbers = self._slots[slots]
        going_on = np.flatnonzero((numbers >= 0) & keys.differ(self._keys.rows(numbers)))
        while len(going_on):
            slots[going_on] = slot = (slots[going_on] + 1) & (len(self._slots) - 1)
            numbers[going_on] = found = self._slots[slot]
            going_on = going_on[(found >= 0) & keys.rows(going_on).differ(self._keys.rows(found))]
        return numbers

    def add(self, keys: Keys) -> tuple[np.ndarray, np.ndarray]:
        """Adds keys that have no number: (their numbers, the rows in which each first occurs). Equal keys get one
        number."""
        order = np.lexsort((keys.low, keys.high))
        in_order = keys.rows(order)
        new = np.ones(len(keys), dtype=bool)
        new[1:] = in_order.rows(slice(1, None)).differ(in_order.rows(slice(None, -1)))
        numbers = np.empty(len(keys), dtype=np.int64)
        numbers[order] = len(self) + np.cumsum(new) - 1
        first = order[new]
        self._keep(keys.rows(first))
        return numbers, first

    def _keep(self, keys: Keys) -> None:
        before = len(self)
        self._keys.low.append(keys.low)
        self._keys.high.append(keys.high)
        if 2 * len(self) > len(self._slots):
            self._slots = np.full(1 << (4 * len(self)).bit_length(), -1)
            before = 0
        self._place(np.arange(before, len(self)))

    def _place(self, numbers: np.ndarray) -> None:
        """Puts the numbers into free slots. Of several that want one slot, one gets it and the others try the next."""
        slots = self._hash(self._keys.rows(numbers))
        while len(numbers):
            free = self._slots[slots] < 0
            self._slots[slots[free]] = numbers[free]
            left_over = self._slots[slots] != numbers
            numbers, slots = numbers[left_over], (slots[left_over] + 1) & (len(self._slots) - 1)

    def _hash(self, keys: Keys) -> np.ndarray:
        """A slot for each key: the high bits of products, which depend on all bits of the key."""
        mixed = keys.low * np.uint64(_ODD[0]) ^ keys.high * np.uint64(_ODD[1])
        mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(_ODD[0])
        return (mixed >> np.uint64(65 - len(self._slots).bit_length())).astype(np.int64)
