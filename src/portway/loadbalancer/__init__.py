"""Who may have which address of LoadBalancer Services, and which node answers for it. Pure.

Words: a **pool** (IPAddressPool) has addresses to give; **Held** says who has which of them now, and on what terms; a
Service's question has an **Allocation** or a **Refusal** as its answer; a **candidate** is a node that may announce
an address; of the candidates one **claims** it and is its **announcer**.

Invariants: an address has one Service, or several that share it on the same terms and on different ports; nobody loses
an address because another came; whoever asks again, with nothing changed, is given what it has. What is held is read
from Services' status (docs/decisions/0005), so a crash leaks nothing.
"""

from portway.loadbalancer.allocation import CLASS, Allocation, Refusal, allocate, is_ours
from portway.loadbalancer.held import Held

__all__ = ["CLASS", "Allocation", "Held", "Refusal", "allocate", "is_ours"]
