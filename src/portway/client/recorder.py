"""Writes Events, a moment later and together, so that they never stand before the work they tell of.

Source: client-go's event correlator: the same news about the same object is one Event with a count.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from portway.client.api import Api
from portway.client.failure import Unreachable
from portway.kubeapi.errors import ApiError, Doc
from portway.reconcile.change import Event
from portway.reconcile.objects import meta, name_of, namespace_of, timestamp, uid_of
from portway.reconcile.resources import EVENTS

_MOMENT = 0.3
_REMEMBERED = 4096

log = logging.getLogger(__name__)

News = tuple[str, str, str, str, str]


class _Told(Struct):
    """An Event that the server has, or is about to."""

    namespace: str
    name: str
    count: int
    last: float
    event: Event
    first: float
    stored: bool = False


class Recorder:
    """`record` returns at once; `run` writes."""

    def __init__(self, api: Api, clock: Callable[[], float] = time.time) -> None:
        self._api, self._clock = api, clock
        self._told: OrderedDict[News, _Told] = OrderedDict()
        self._unsaid: dict[News, _Told] = {}
        self._news = asyncio.Event()
        self._numbers = 0

    def record(self, event: Event) -> None:
        """Take note of it: a new Event, or one more of an old one."""
        news = (uid_of(event.regarding), event.type, event.reason, event.message, event.component)
        now = self._clock()
        told = self._told.get(news)
        if told is None:
            told = _Told(namespace_of(event.regarding) or "default", self._name(event, now), 0, now, event, now)
            self._told[news] = told
            if len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)
        told.count, told.last = told.count + 1, now
        self._unsaid[news] = told
        self._news.set()

    def _name(self, event: Event, now: float) -> str:
        """Like kubectl's: the object's name and a number that is not used twice."""
        self._numbers += 1
        return f"{name_of(event.regarding)}.{int(now * 1e9) + self._numbers:x}"

    async def run(self) -> None:
        """Write for ever. An Event that cannot be written is logged and lost, as in Kubernetes."""
        while True:
            await self._news.wait()
            await asyncio.sleep(_MOMENT)
            self._news.clear()
            unsaid, self._unsaid = self._unsaid, {}
            for told in unsaid.values():
                await self._write(told)

    async def _write(self, told: _Told) -> None:
        try:
            if told.stored:
                patch = {"count": told.count, "lastTimestamp": timestamp(told.last)}
                await self._api.patch(EVENTS, told.namespace, told.name, patch)
            else:
                await self._api.create(EVENTS, document(told))
                told.stored = True
        except ApiError as error:
            told.stored = told.stored and error.code != 404
            log.info("event %s: %s", told.name, error)
        except Unreachable as failure:
            log.info("event %s: %s", told.name, failure)


def document(told: _Told) -> Doc:
    """The v1.Event."""
    regarding, host = told.event.regarding, told.event.host
    reference = {
        "apiVersion": regarding.get("apiVersion"),
        "kind": regarding.get("kind"),
        "namespace": namespace_of(regarding),
        "name": name_of(regarding),
        "uid": uid_of(regarding),
        "resourceVersion": meta(regarding).get("resourceVersion"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": told.namespace, "name": told.name},
        "involvedObject": {key: value for key, value in reference.items() if value},
        "type": told.event.type,
        "reason": told.event.reason,
        "message": told.event.message,
        "source": {"component": told.event.component} | ({"host": host} if host else {}),
        "reportingComponent": told.event.component,
        "reportingInstance": host,
        "firstTimestamp": timestamp(told.first),
        "lastTimestamp": timestamp(told.last),
        "count": told.count,
    }
