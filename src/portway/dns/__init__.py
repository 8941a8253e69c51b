"""Cluster DNS, pure: messages as bytes and as values, and what the Kubernetes DNS specification says of a name.

Words: a **name** is a tuple of labels, the leftmost first, the root empty; a **message** is a packet, a **record**
one line of it; the **zone** is the cluster's domain, kept from Services, EndpointSlices and Namespaces; an
**answer** is what the zone says to a **question**: an rcode (NOERROR, NXDOMAIN) and records.

Rules of the room: whatever bytes come in, nothing but `Malformed` comes out; a change costs what its Service costs;
where the specification is silent, answers are CoreDNS's as kubeadm configures it; there are no wildcards.

Sources: RFC 1034, 1035, 2181, 2308, 2782, 3596, 3597, 6891, 8482; Kubernetes DNS-Based Service Discovery 1.1.
"""

from portway.dns.answer import Answer, answer
from portway.dns.message import (
    FORMERR,
    NOERROR,
    NOTIMP,
    NXDOMAIN,
    REFUSED,
    SERVFAIL,
    Edns,
    Malformed,
    Message,
    Question,
    Record,
    parse,
    write,
)
from portway.dns.name import Name, from_text, to_text
from portway.dns.zone import Zone

__all__ = [
    "FORMERR",
    "NOERROR",
    "NOTIMP",
    "NXDOMAIN",
    "REFUSED",
    "SERVFAIL",
    "Answer",
    "Edns",
    "Malformed",
    "Message",
    "Name",
    "Question",
    "Record",
    "Zone",
    "answer",
    "from_text",
    "parse",
    "to_text",
    "write",
]
