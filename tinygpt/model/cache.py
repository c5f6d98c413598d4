"""The keys and values of the tokens that a model has read, so that it need not read them again for each new token.

B rows, G key and value heads, T new tokens, T_all cached and new tokens, S time of a source, D channels of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd import Tensor, array_module

from ..errors import BadInput


class LayerCache:
    """The keys and values of one layer: memory that is allocated once, of which the first `length` tokens are filled.

    keys, values: (B, G, capacity, D). source: the keys and values (B, G, S, D) of a source, if the layer reads one.
    They are the same for every token.
    """

    def __init__(self, keys: Any, values: Any, length: int = 0, source: tuple[Tensor, Tensor] | None = None) -> None:
        self.keys, self.values, self.length, self.source = keys, values, length, source

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Appends the keys and values (B, G, T, D) of new tokens, and returns all of them (B, G, T_all, D).

        What is returned are views of the cache's memory. Appending more tokens leaves them as they are; they change
        where new tokens are written after `cut`, and with `forget`. Raises BadInput if there is no room.
        """
        keys, values = self.write(k.data, v.data)
        return Tensor(keys), Tensor(values)

    def write(self, k: Any, v: Any) -> tuple[Any, Any]:
        """`append` for bare arrays."""
        end = self.length + k.shape[2]
        if end > self.keys.shape[2]:
            raise BadInput(f"the cache has room for {self.keys.shape[2]} tokens, and {end} were to be kept")
        self.keys[:, :, self.length : end] = k
        self.values[:, :, self.length : end] = v
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def forget(self, n: int) -> None:
        """Drops the n oldest tokens. The others move to the front, which changes views that were returned before."""
        for kept in (self.keys, self.values):
            kept[:, :, : self.length - n] = kept[:, :, n : self.length].copy()
        self.length -= n

    def cut(self, length: int) -> None:
        """Drops all but the first `length` tokens; does nothing if there are no more. See Cache.cut."""
        self.length = min(self.length, length)

    def rows(self, chosen: Any, same_sources: bool) -> LayerCache:
        """A copy of these rows. same_sources: each reads the source of the row that it replaces, so none is copied."""
        source = self.source
        if source is not None and not same_sources:
            source = Tensor(source[0].data[chosen]), Tensor(source[1].data[chosen])
        return LayerCache(self._copied(self.keys, chosen), self._copied(self.values, chosen), self.length, source)

    def _copied(self, array: Any, chosen: Any) -> Any:
        """A copy of these rows of an array: the filled part, with the same room after it."""
        copy = array_module(array).empty((len(chosen), *array.shape[1:]), array.dtype)
        copy[:, :, : self.length] = array[chosen, :, : self.length]
        return copy

    @property
    def n_bytes(self) -> int:
        source = () if self.source is None else (each.data for each in self.source)
        return sum(array.nbytes for array in (self.keys, self.values, *source))


class Cache:
    """The caches of all layers for one batch of texts; for use without gradients.

    source_mask: (B, 1, 1, S), True at the real tokens of the sources, if the texts have sources. of_source: for each
    row the number of its source (None: each row has its own).
    """

    def __init__(
        self, layers: Sequence[LayerCache], source_mask: Any = None, of_source: Sequence[int] | None = None
    ) -> None:
        self.layers, self.source_mask = list(layers), source_mask
        self.of_source = list(range(len(layers[0].keys)) if of_source is None else of_source)

    @classmethod
    def empty(cls, config: Any, batch: int, capacity: int, like: Any) -> Cache:
        """Room for `batch` texts of `capacity` tokens each, in the array library and dtype of the array `like`."""
        xp, shape = array_module(like), (batch, config.key_heads, capacity, config.channels_of_head)
        layers = range(config.n_layer)
        return cls([LayerCache(xp.empty(shape, like.dtype), xp.empty(shape, like.dtype)) for _ in layers])

    @property
    def length(self) -> int:
        """The number of tokens in each row."""
        return self.layers[0].length

    @property
    def n_bytes(self) -> int:
        """Bytes of 2 · layers · B · G · (capacity + S) · D numbers, and one for each token of the source mask."""
        mask = 0 if self.source_mask is None else self.source_mask.nbytes
        return sum(layer.n_bytes for layer in self.layers) + mask

    def rows(self, chosen: Sequence[int]) -> Cache:
        """These rows, in this order; a row may be chosen more than once. This is how beam search branches.

        The result is a copy, except that the sources' keys and values are shared if every row keeps its source. If all
        rows are chosen in their order, the result is the cache itself.
        """
        chosen = [int(row) for row in chosen]
        if chosen == list(range(len(self.of_source))):
            return self
        of_source = [self.of_source[row] for row in chosen]
        same = of_source == self.of_source
        places = array_module(self.layers[0].keys).asarray(chosen, dtype=int)
        mask = self.source_mask if same or self.source_mask is None else self.source_mask[places]
        return Cache([layer.rows(places, same) for layer in self.layers], mask, of_source)

    def cut(self, length: int) -> None:
        """Drops all but the first `length` tokens, so that others can be read in their place.

        The next tokens overwrite the memory, so that keys and values that were returned for dropped tokens change. The
        results of attention do not; only a backward would read the keys and values again, and here there is none.
        """
        for layer in self.layers:
            layer.cut(length)

    def forget(self, n: int) -> None:
        """Drops the n oldest tokens of every row, which makes room for as many new ones."""
        for each in self.layers:
            each.forget(n)

    def overwrite(self, rows: Any, other: Cache) -> None:
        """Replaces the last tokens of these rows by the tokens of another cache, which is no longer than this one."""
        places = slice(self.length - other.length, self.length)
        for mine, new in zip(self.layers, other.layers, strict=True):
            mine.keys[rows, :, places] = new.keys[:, :, : new.length]
            mine.values[rows, :, places] = new.values[:, :, : new.length]
