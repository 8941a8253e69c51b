"""An engine that listens nowhere, for tests of who tells engines what to do."""

import asyncio
from collections.abc import Iterable

from portway.gateway.engine import Applied, Door, Report
from portway.routing.door import of_door
from portway.routing.table import RouteTable


class FakeEngine:
    """Remembers the tables of its door, and answers as told, then as an engine that needs no reload would."""

    def __init__(self, answers: Iterable[Applied] = ()) -> None:
        self._answers = iter(answers)
        self.tables: list[RouteTable] = []
        """Those that it did not refuse, the same one twice only if something was between."""
        self.asked = 0
        self.stopped = False
        self.changed = asyncio.Event()
        """Set by every `apply`."""

    async def start(self, door: Door, report: Report) -> None:
        """Nothing can go wrong."""
        self.door, self.report = door, report

    async def apply(self, table: RouteTable) -> Applied:
        """As told."""
        self.asked += 1
        self.changed.set()
        mine = of_door(table, self.door.name)
        answer = next(self._answers, Applied("runtime", 1))
        if answer.how == "refused":
            return answer
        if self.tables and self.tables[-1] == mine:
            return Applied("nothing")
        self.tables.append(mine)
        return answer

    async def stop(self) -> None:
        """Remembered."""
        self.stopped = True
