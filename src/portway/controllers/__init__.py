"""Runs reconcile/ against a client: one process, one event loop for all controllers.

Words: a **Cache** holds one resource's objects as they are, found by what indexes say of them; a **WorkQueue** holds
the keys that one controller must look at; **Hands** carry out what a controller wants; a controller here is no more
than which changes concern which keys, and a call of its pure function.

Rules of the room: what an event costs does not depend on the cluster's size (indexes, not scans); a key is worked on
by one at a time; what was written is seen at once, so that nothing is done twice while the watch is on its way; any
failure puts the key back, later each time.
"""

from portway.controllers.process import run

__all__ = ["run"]
