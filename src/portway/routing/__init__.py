"""Doors of layer 7 and what lies behind them: Ingress and Gateway API documents -> RouteTable (values); pure.

Words. A **door** is one process that listens: the Ingress door of the cluster, or one Gateway's. A **listener** is a
port of a door with its protocol, hostname and certificates. A **virtual host** belongs to a listener and holds
**routes** in the order in which they are tried. A **pool** is what stands behind one Service port: its ready endpoints.

`decide(table, listener, request)` is the meaning of a table; every engine (HAProxy, the built-in router) must do the
same, and one contract suite holds them to it. Endpoints change without touching routes: they are in `pools` alone, so
that an engine can tell an endpoint's change (no reload) from a change of structure by comparing the two parts.

`compute.compute(documents)` is what the documents come to: listeners, and what their writers are to be told
(`reports`, made into status documents by `statuses`); `compute.table` puts the endpoints in. These modules read
certificates and are imported by those who need them.
"""

from portway.routing.cors import told_headers
from portway.routing.decide import backend_code, backend_status, decide, is_copied, pick
from portway.routing.edits import edited_headers
from portway.routing.hosts import certificate_for, host_of, is_misdirected, listener_for

__all__ = [
    "backend_code",
    "backend_status",
    "certificate_for",
    "decide",
    "edited_headers",
    "host_of",
    "is_copied",
    "is_misdirected",
    "listener_for",
    "pick",
    "told_headers",
]
