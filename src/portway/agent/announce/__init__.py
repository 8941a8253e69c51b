"""Answers ARP and NDP for the addresses of LoadBalancer Services: the node's part of layer 2 announcement.

Raw sockets, and no address on any interface: who is dead or frozen is silent at once, programs that listen on every
address do not get one more, and no other node's kernel can answer too (what strictARP is for elsewhere). Packets that
then come are the node's by their MAC address, and the forwarding rules know what to do with them.

`frames` are bytes and values; `lan` has the sockets; `leases` keep what the API server says; `announcer` decides with
`portway.loadbalancer.election` and acts; `run` is the process.
"""

from portway.agent.announce.announcer import AnnounceConfig
from portway.agent.announce.figures import Figures
from portway.agent.announce.run import beside, run

__all__ = ["AnnounceConfig", "Figures", "beside", "run"]
