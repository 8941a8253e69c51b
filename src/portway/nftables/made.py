"""Elements that are not kept: a Program makes those of its columns while somebody goes through them."""

from collections.abc import Callable, Collection, ItemsView, Iterator, Mapping
from functools import cached_property
from itertools import chain

from portway.nftables.elements import Column


class Elements(Mapping[str, Mapping[bytes, bytes]]):
    """The entries of each container, by a function."""

    def __init__(self, names: Collection[str], entries: Callable[[str], Mapping[bytes, bytes]]) -> None:
        self._names = names
        self._entries = entries

    def __getitem__(self, container: str) -> Mapping[bytes, bytes]:
        return self._entries(container)

    def __contains__(self, container: object) -> bool:
        return container in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Made(Mapping[bytes, bytes]):
    """The entries of columns: made one after the other by `items`, and kept for who asks for single ones."""

    def __init__(self, columns: Callable[[], Iterator[Column]]) -> None:
        self._columns = columns

    @cached_property
    def _kept(self) -> dict[bytes, bytes]:
        return dict(self.entries())

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """One after the other."""
        return chain.from_iterable(column.entries() for column in self._columns())

    def items(self) -> ItemsView[bytes, bytes]:
        return _Items(self)

    def __getitem__(self, key: bytes) -> bytes:
        return self._kept[key]

    def __iter__(self) -> Iterator[bytes]:
        return (key for key, _ in self.entries())

    def __len__(self) -> int:
        return sum(len(column.backends) for column in self._columns())


class _Items(ItemsView[bytes, bytes]):
    _mapping: Made

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return self._mapping.entries()
