"""What a controller is, to the process that runs it."""

from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

from portway.client import Unreachable
from portway.controllers.cluster import Cluster
from portway.controllers.queue import WorkQueue
from portway.kubeapi.errors import ApiError, Doc
from portway.reconcile.objects import name_of, namespace_of


class Controller:
    """Subclasses listen to caches, put keys into their queue, and say how to `work` on one."""

    workers: ClassVar[int] = 4
    """Keys worked on at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.caches = cluster.caches
        self.hands = cluster.hands
        name = type(self).__name__
        self.queue: WorkQueue[Any] = WorkQueue(name, self.work, expected=(ApiError, Unreachable))

    async def work(self, key: Any) -> float | None:
        """Make this key right. Returns the seconds after which to look again without a change, or None."""
        raise NotImplementedError

    def add(self, key: Hashable, *_: object) -> None:
        """A cache's listener: look at the very object that changed."""
        self.queue.add(key)


def distinct(documents: Iterable[Doc]) -> list[Doc]:
    """Each once, by name, in a stable order."""
    return [document for _, document in sorted({(namespace_of(d), name_of(d)): d for d in documents}.items())]
