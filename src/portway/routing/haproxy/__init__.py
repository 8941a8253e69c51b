"""A RouteTable as HAProxy's configuration (2.6 and later), in parts of which most change without a reload. Pure.

Words. A **target** is what a route leads to; a **section** is a `backend` of the configuration. Requests find their
way through maps alone, which the runtime API swaps whole:

    at     port and server name or Host   -> listener
    hosts  listener and host              -> virtual host
    exact, prefix   virtual host and path -> target
    target                                -> section

A virtual host whose routes look at more than the path, or are tried in an order that no map has, gets rules of its
own in the frontend instead (`conditions`). So a change of endpoints, certificates, hosts and paths is a list of
commands (`plan`); a new port, a new section or a new condition is a reload.
"""

from portway.routing.haproxy.config import Rendered, config_text, render
from portway.routing.haproxy.maps import map_text
from portway.routing.haproxy.plan import plan, ran

__all__ = ["Rendered", "config_text", "map_text", "plan", "ran", "render"]
