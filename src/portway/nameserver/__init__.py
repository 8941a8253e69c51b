"""Answers DNS: Services by name from what the API server says, everything else by asking the host's resolvers.

Words: a **door** is a socket that queries come in by, UDP or TCP; a **desk** turns a query into a response, the
cluster's desk knowing the zone, the host's desk only forwarding; the **upstream** asks others.

Rules of the room: nothing is answered before all objects were seen once; what is kept for a client, a question or
a response is bounded in number, size and time; packets go only to whoever asked, to the resolvers that
/etc/resolv.conf names and into the fleet; the same question is under way upstream once, so a loop of resolvers ends.
"""

from portway.nameserver.objects import cluster_dns_objects
from portway.nameserver.run import NameserverConfig, run

__all__ = ["NameserverConfig", "cluster_dns_objects", "run"]
