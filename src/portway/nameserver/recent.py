"""What was of use lately, in two generations: as quick to add to as a dict, and bounded."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Holds `most` entries at least until nobody asks for them any more, and at most twice as many.

    (Deleting a dict's oldest entry one at a time costs more than an answer: looking for it goes over all that were
    deleted before.)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """What is held for it; it stays."""
        found = self._young.get(key)
        if found is None and (found := self._old.pop(key, None)) is not None:
            self.put(key, found)
        return found

    def put(self, key: K, value: V) -> None:
        """Hold it from now on."""
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def drop(self, key: K) -> None:
        """Hold it no longer."""
        self._young.pop(key, None)
        self._old.pop(key, None)
