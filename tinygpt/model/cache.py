"""The keys and values of what a model has read, so that each new token is read once.

B rows, G heads of keys and values, S time of a source, D channels of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd import Tensor, array_module

from ..errors import BadInput


class LayerCache:
    """One layer's keys and values: room for `capacity` tokens, allocated once, appended to and cut at the end.

    Beside them those of the source (B, G, S, D), where the layer reads one: they are the same for every token.
    """

    def __init__(self, keys: Any, values: Any, length: int = 0, source: tuple[Tensor, Tensor] | None = None) -> None:
        self.keys, self.values, self.length, self.source = keys, values, length, source

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values (B, G, T_all, D), those of the new tokens (B, G, T, D) at the end.

        What earlier calls returned stays as it was, unless `cut` gave its place away: they are views of the same
        memory, and end before the new ones. Raises BadInput where there is no room.
        """
        keys, values = self.write(k.data, v.data)
        return Tensor(keys), Tensor(values)

    def write(self, k: Any, v: Any) -> tuple[Any, Any]:
        """The same for bare arrays."""
        end = self.length + k.shape[2]
        if end > self.keys.shape[2]:
            raise BadInput(f"the cache has room for {self.keys.shape[2]} tokens, and {end} were to be kept")
        self.keys[:, :, self.length : end] = k
        self.values[:, :, self.length : end] = v
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def forget(self, n: int) -> None:
        """Drops the n oldest tokens. The others move to the front, under the views that earlier calls returned."""
        for kept in (self.keys, self.values):
            kept[:, :, : self.length - n] = kept[:, :, n : self.length].copy()
        self.length -= n

    def cut(self, length: int) -> None:
        """Forgets all but the first `length` tokens; with no more than that there, nothing. See Cache.cut."""
        self.length = min(self.length, length)

    def rows(self, chosen: Any, same_sources: bool) -> LayerCache:
        """A copy of these rows; same_sources: each reads what the row in its place has read, which is not copied."""
        source = self.source
        if source is not None and not same_sources:
            source = Tensor(source[0].data[chosen]), Tensor(source[1].data[chosen])
        return LayerCache(self._copied(self.keys, chosen), self._copied(self.values, chosen), self.length, source)

    def _copied(self, array: Any, chosen: Any) -> Any:
        """What is filled of it, and as much room behind it."""
        copy = array_module(array).empty((len(chosen), *array.shape[1:]), array.dtype)
        copy[:, :, : self.length] = array[chosen, :, : self.length]
        return copy

    @property
    def n_bytes(self) -> int:
        source = () if self.source is None else (each.data for each in self.source)
        return sum(array.nbytes for array in (self.keys, self.values, *source))


class Cache:
    """The layers' caches of one batch of texts, appended to and cut at the end; for use without gradients.

    Where the texts are written from sources, source_mask (B, 1, 1, S) tells these from padding.
    """

    def __init__(
        self, layers: Sequence[LayerCache], source_mask: Any = None, of_source: Sequence[int] | None = None
    ) -> None:
        self.layers, self.source_mask = list(layers), source_mask
        self.of_source = list(range(len(layers[0].keys)) if of_source is None else of_source)

    @classmethod
    def empty(cls, config: Any, batch: int, capacity: int, like: Any) -> Cache:
        """Room for `batch` texts of `capacity` tokens each in the library and the precision of the array `like`."""
        xp, shape = array_module(like), (batch, config.key_heads, capacity, config.channels_of_head)
        layers = range(config.n_layer)
        return cls([LayerCache(xp.empty(shape, like.dtype), xp.empty(shape, like.dtype)) for _ in layers])

    @property
    def length(self) -> int:
        """Tokens held."""
        return self.layers[0].length

    @property
    def n_bytes(self) -> int:
        """What it takes: 2 · layers · batch · key heads · (capacity + tokens of a source) · channels of a head numbers.

        The source's mask comes to that, a byte a token.
        """
        mask = 0 if self.source_mask is None else self.source_mask.nbytes
        return sum(layer.n_bytes for layer in self.layers) + mask

    def rows(self, chosen: Sequence[int]) -> Cache:
        """These rows, in this order and as often as they are named: what beams branch from.

        They are a copy, but for what is read of a source where each row stays with its own. All rows in their places
        are the cache itself.
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
        """Forgets all but the first `length` tokens, so that others can be read in their place.

        The memory is written again by what comes next: keys and values that were returned for forgotten tokens then
        change. Whatever attention made of them does not, as no backward, which would look at them again, may follow.
        """
        for layer in self.layers:
            layer.cut(length)

    def forget(self, n: int) -> None:
        """Drops the n oldest tokens of every row, so that there is room for as many new ones."""
        for each in self.layers:
            each.forget(n)

    def overwrite(self, rows: Any, other: Cache) -> None:
        """The last tokens of these rows become those of the rows of another cache, which is no longer than this one."""
        places = slice(self.length - other.length, self.length)
        for mine, new in zip(self.layers, other.layers, strict=True):
            mine.keys[rows, :, places] = new.keys[:, :, : new.length]
            mine.values[rows, :, places] = new.values[:, :, : new.length]
