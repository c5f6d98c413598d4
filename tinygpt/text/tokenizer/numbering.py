"""The pieces of a text as numbers: equal pieces have the same number."""

import numpy as np

from tinygpt.text.tokenizer.keys import LONGEST_KEY, Keys, KeyTable


class PieceNumbers:
    """Numbers pieces 0, 1, 2 … when they first occur, and recognises them when they occur again."""

    def __init__(self, longest: int | None = None) -> None:
        """Pieces of more than `longest` bytes are new each time: few occur again, and storing them could fill the
        memory."""
        self._table, self._longest = KeyTable(), longest
        self._number_of_long: dict[bytes, int] = {}
        self._n_long = 0

    def __len__(self) -> int:
        return len(self._table)

    def __call__(self, data: bytes, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(the number of each piece data[start : start + length], the rows of new pieces in the order of their
        numbers)."""
        keys = Keys.of(data, starts, lengths)
        for row in np.flatnonzero(lengths > LONGEST_KEY).tolist():
            keys.low[row] = self._long(data[starts[row] : starts[row] + lengths[row]])
        numbers = self._table.find(keys)
        rows = np.flatnonzero(numbers < 0)
        if len(rows):
            numbers[rows], first = self._table.add(keys.rows(rows))
            rows = rows[first]
        return numbers, rows

    def _long(self, piece: bytes) -> int:
        """The number of a piece among those too long for a key: their keys hold it instead of the bytes."""
        number = self._number_of_long.get(piece)
        if number is None:
            number, self._n_long = self._n_long, self._n_long + 1
            if self._longest is None or len(piece) <= self._longest:
                self._number_of_long[piece] = number
        return number
