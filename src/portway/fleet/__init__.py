"""Makes nodes and pods out of network namespaces: keeper, world, kubelet, stand-ins, processes, relay.

Words: a **fleet** is what `portway up` makes; its **keeper** is the parent of all its processes; its **world** is
the PID 1 of its own user, network, mount and PID namespace, in which a **node** is a network namespace with an
agent and a kubelet, a **pod** a network namespace routed to its node, `outside` the place external clients come
from; a **stand-in** is the built-in responder of a container that names no program to run here; the **relay**
carries the host's loopback ports in, through sockets that the **dialer** makes outside.

Rules of the room: nothing of the host's network is touched; everything ends with the world's PID 1, and whoever
survives removes the folder; what the API server, controllers and agents are, the caller says (Programs).
"""

from portway.fleet.config import FleetConfig, NodePlan, validate
from portway.fleet.enter import enter
from portway.fleet.errors import FleetError
from portway.fleet.keeper import Fleet, Programs, start, stop
from portway.fleet.kubelet.network import POD_INTERFACE
from portway.fleet.paths import FleetPaths, fleet_paths, state_root
from portway.fleet.state import FleetState, find, fleets

__all__ = [
    "POD_INTERFACE",
    "Fleet",
    "FleetConfig",
    "FleetError",
    "FleetPaths",
    "FleetState",
    "NodePlan",
    "Programs",
    "enter",
    "find",
    "fleet_paths",
    "fleets",
    "start",
    "state_root",
    "stop",
    "validate",
]
