"""Every code that a command shows and no check's: what it means, how to check it, what to do, and Kubernetes' rule.

One table, so that `portway explain`, traces and the docs say the same; a test holds it against the codes in use.
"""

from collections.abc import Mapping

from portway.analysis import balancing, elsewhere, webtrace
from portway.analysis.code import Code
from portway.analysis.imagined import ASSUMPTIONS
from portway.analysis.trace import MEANING

_PODS = "kubectl get endpointslices -l kubernetes.io/service-name=NAME; kubectl get pods -l SELECTOR"
_DETAIL: Mapping[str, tuple[str, str, str]] = {
    "FORWARDED": ("portway trace … --probe", "", "kube-proxy: a random endpoint among those that are ready"),
    "FORWARDED_TERMINATING": (
        _PODS,
        "start new pods, or wait for them to be ready",
        "KEP-1669: ProxyTerminatingEndpoints",
    ),
    "NO_ENDPOINTS": (
        _PODS,
        "a selector that pods match, a targetPort that they define, and pods that are ready",
        "kube-proxy rejects connections to a Service without endpoints",
    ),
    "NO_LOCAL_ENDPOINT": (
        "kubectl get pods -o wide",
        "a pod on each node that gets traffic, or policy Cluster",
        "externalTrafficPolicy / internalTrafficPolicy: Local",
    ),
    "SOURCE_NOT_ALLOWED": (
        "kubectl get service NAME -o jsonpath={.spec.loadBalancerSourceRanges}",
        "add the client's range",
        "Service.spec.loadBalancerSourceRanges",
    ),
    "SERVICE_PORT_UNDEFINED": (
        "portway ports",
        "dial the Service's port, not the targetPort",
        "a clusterIP refuses ports that its Service does not define",
    ),
    "CLUSTER_IP_UNALLOCATED": ("kubectl get services -A", "look the address up again: the Service was made anew", ""),
    "NO_RULE_MATCHES": (
        "portway trace … names the policy; kubectl describe networkpolicy",
        "a rule for this client and the pod's port (not the Service's), in any policy of the pod",
        "NetworkPolicy: a selected pod is isolated, and rules add up",
    ),
    "RULE_DENIES": (
        "portway trace … names the rule",
        "narrow the rule, or put an Accept before it",
        "ClusterNetworkPolicy v1alpha2: the first rule that matches decides",
    ),
    "REPLY_BYPASSES_NAT": (
        "portway trace … lists the backends; those on the node that was dialled answer",
        "dial the clusterIP from pods, or a node that has a ready pod; or policy Cluster",
        "kube-proxy short-circuits pods' traffic under externalTrafficPolicy: Local, without translating the source",
    ),
    "HAIRPIN_NOT_MASQUERADED": (
        "kubectl get endpointslices -o yaml; look for nodeName",
        "nodeName at the endpoint, or a selector instead of an EndpointSlice by hand",
        "kube-proxy masquerades a pod's connection to itself only for endpoints of its own node",
    ),
    "POLICY_UNREADABLE": (
        "kubectl get networkpolicy -o yaml",
        "apply a valid policy, or delete it",
        "Portway fails closed",
    ),
    "POD_DIRECT": ("", "", "pods reach each other's addresses without a Service"),
    "NODEPORT_UNSET": ("portway ports -A", "dial a nodePort that a Service has", "Service.spec.ports[].nodePort"),
    "NO_ROUTE": (
        "",
        "dial a node's address and nodePort, or a load balancer's",
        "clusterIPs and pods exist inside only",
    ),
    "UNKNOWN_ADDRESS": ("kubectl get nodes,pods,services -A -o wide", "an address that exists", ""),
    "NO_ADDRESS_IN_FAMILY": ("", "a target of the client's family, or a dual-stack Service", "Service.spec.ipFamilies"),
    "SVC_NOT_FOUND": ("kubectl get services -A", "the right namespace and name", ""),
    "SVC_PORT_NOT_FOUND": ("portway ports", "a port that the Service has, by number or name", ""),
    "HEADLESS_NO_MAPPING": ("", "dial the pods' own ports, or give the Service a clusterIP", "clusterIP: None"),
    "EXTERNAL_NAME": ("dig NAME", "dial the other host's own ports", "Service.spec.type: ExternalName"),
    "NODE_NOT_FOUND": ("kubectl get nodes", "a node that exists", ""),
    "DNS_WRONG_DOMAIN": (
        "cat /etc/resolv.conf in a pod: its search list ends in the cluster's domain",
        "NAME.NAMESPACE or NAME.NAMESPACE.svc, which any cluster understands",
        "kubelet's clusterDomain; portway up --cluster-domain",
    ),
    "DNS_WRONG_NAMESPACE": (
        "dig +search NAME.NAMESPACE.svc",
        "NAME.NAMESPACE",
        "DNS specification 1.1; search lists",
    ),
    "POD_NOT_FOUND": ("kubectl get pods -A -o wide", "a pod that has an address", ""),
}


_POOLS = "kubectl -n metallb-system get ipaddresspools,l2advertisements; kubectl describe service NAME"
_LEASES = "kubectl get leases -A; kubectl describe service NAME"
_BALANCERS: Mapping[str, tuple[str, str, str]] = {
    "LB_NO_POOL": (_POOLS, "an IPAddressPool", "MetalLB: addresses come from pools"),
    "LB_NO_POOL_FOR_SERVICE": (_POOLS, "a pool whose serviceAllocation fits, with autoAssign", "IPAddressPool.spec"),
    "LB_POOL_UNKNOWN": (_POOLS, "the name of a pool that exists", "annotation metallb.io/address-pool"),
    "LB_POOL_EXHAUSTED": (
        _POOLS,
        "more addresses, or sharing by metallb.io/allow-shared-ip",
        "IPAddressPool.spec.addresses",
    ),
    "LB_NO_FAMILY": (_POOLS, "a pool of that family, or ipFamilyPolicy: PreferDualStack", "Service.spec.ipFamilies"),
    "LB_REQUEST_INVALID": (_POOLS, "an address in metallb.io/loadBalancerIPs", "annotation metallb.io/loadBalancerIPs"),
    "LB_REQUEST_FAMILY": (_POOLS, "an address of each of the Service's families", "Service.spec.ipFamilies"),
    "LB_ADDRESS_OUTSIDE_POOLS": (_POOLS, "a pool that has it, or another address", "IPAddressPool.spec.addresses"),
    "LB_ADDRESS_TAKEN": (
        _POOLS,
        "another address, or one sharing key in both",
        "annotation metallb.io/allow-shared-ip",
    ),
    "LB_CLASS_FOREIGN": (_POOLS, "leave the class out, or run its controller", "Service.spec.loadBalancerClass"),
    "LB_PENDING": (_POOLS, "wait, or look whether the controllers run", "Service.status.loadBalancer"),
    "LB_NOT_ADVERTISED": (_POOLS, "an L2Advertisement for the pool", "L2Advertisement.spec.ipAddressPools"),
    "LB_NODES_EXCLUDED": (
        _LEASES,
        "take the label off a node",
        "node.kubernetes.io/exclude-from-external-load-balancers",
    ),
    "LB_NO_NODE_SELECTED": (_LEASES, "nodeSelectors that select a node", "L2Advertisement.spec.nodeSelectors"),
    "LB_NO_LOCAL_ENDPOINT": (_PODS, "ready pods, or policy Cluster", "externalTrafficPolicy: Local"),
    "LB_PORT_UNDEFINED": ("portway ports", "dial a port that the Service has", "Service.spec.ports"),
    "LB_BGP_PEER_REFUSED": (
        "kubectl -n metallb-system describe bgppeers; kubectl -n metallb-system get secrets",
        "what the Event at the BGPPeer says: no bfdProfile, or a Secret of type kubernetes.io/basic-auth",
        "BGPPeer.spec.bfdProfile, passwordSecret: a peer is told nothing rather than spoken to otherwise than it asks",
    ),
    "LB_BGP_NO_SESSION": (
        "kubectl -n metallb-system describe bgppeers; metallb_bgp_session_up; the router's own list of neighbors",
        "a router that is there, knows each node as a neighbor, and has the same AS numbers and password",
        "RFC 4271: routes are told in sessions; RFC 2385: what is signed otherwise is dropped",
    ),
    "LB_BGP_ONLY": (
        "kubectl -n metallb-system get bgppeers,bgpadvertisements,servicebgpstatuses",
        "an L2Advertisement too, or a client behind the routers",
        "BGPAdvertisement: routers are told, and nobody answers ARP",
    ),
    "LB_OWN_NODE_ANSWERS": ("portway trace … --from outside --probe", "", "kube-proxy serves every VIP on every node"),
    "LB_CLIENT_HIDDEN": ("", "externalTrafficPolicy: Local", "Service.spec.externalTrafficPolicy"),
    "LB_BGP_REHASHES": (
        "kubectl -n metallb-system get servicebgpstatuses",
        "resilient hashing in the routers, or an L2Advertisement: then only the addresses of a node that goes move",
        "MetalLB: BGP backend changes may break connections",
    ),
    "LB_MOVED_LATELY": (
        _LEASES,
        "ip neigh flush to ADDRESS at clients that still ask the node before",
        "RFC 5227: a new announcement replaces old entries",
    ),
    "LB_CLOUD_NODES": (
        "kubectl get nodes -o custom-columns=N:.metadata.name,P:.spec.providerID",
        "allowed address pairs for the pool, or the cloud's own load balancer",
        "Node.spec.providerID; OpenStack's and clouds' anti-spoofing",
    ),
    "LB_TWO_ANSWER": (
        "arping ADDRESS from a client; kubectl describe service NAME",
        "stop the other speaker or machine; strictARP: true in kube-proxy's configuration when its mode is ipvs",
        "RFC 5227; net.ipv4.conf.*.arp_ignore",
    ),
    "LB_WIRELESS": (
        "iw dev; arping ADDRESS from a client",
        "ip link set INTERFACE promisc on, or a wired interface in L2Advertisement.spec.interfaces",
        "IEEE 802.11: access points answer ARP for addresses that they know",
    ),
    "LB_RP_FILTER": (
        "sysctl net.ipv4.conf.all.rp_filter net.ipv4.conf.INTERFACE.rp_filter; ip route get CLIENT",
        "rp_filter=2 on the interface, or a route to the clients by it",
        "Documentation/networking/ip-sysctl.rst rp_filter",
    ),
    "LB_NOT_ANNOUNCED": (
        _LEASES,
        "a node with the interface, its link up and its agent running",
        "L2Advertisement.spec",
    ),
}
_REQUESTS = "portway trace URL; portway ports"
_WEB: Mapping[str, tuple[str, str, str]] = {
    "ROUTED": ("portway trace URL", "", "Ingress, HTTPRoute"),
    "REDIRECTED": ("curl -v URL", "", "HTTPRoute requestRedirect"),
    "NO_HOST": (_REQUESTS, "an Ingress or route with this host", "Ingress.spec.rules[].host"),
    "BACKEND_INVALID": (_REQUESTS, "a Service and port that exist; a ReferenceGrant across namespaces", "backendRefs"),
    "BODY_TOO_LARGE": (_REQUESTS, "a smaller body, or a higher limit", "nginx.ingress.kubernetes.io/proxy-body-size"),
    "PREFLIGHT": ("curl -v -X OPTIONS URL", "", "HTTPRoute cors"),
    "ORIGIN_REFUSED": (
        _REQUESTS,
        "the origin in allowOrigins, with its scheme and port",
        "HTTPRoute cors.allowOrigins",
    ),
    "NO_DOOR": (_REQUESTS, "an Ingress or Gateway listener on this port", "Gateway.spec.listeners"),
}


def _reasons() -> dict[str, Code]:
    """Of packets, and of requests; what both have means both."""
    details = {**_DETAIL, **_BALANCERS, **_WEB}
    meanings = {**MEANING, **balancing.CAUTIONS}
    for code, meaning in webtrace.MEANING.items():
        meanings[code] = f"{meanings[code]}; of a request: {meaning}" if code in meanings else meaning
    meanings["PODS_NOT_READY"] = "pods are selected by the Service and not ready, and so get no traffic"
    details["PODS_NOT_READY"] = ("kubectl describe pod", "what the pod's conditions and Events say", "readiness probes")
    return {code: Code("reason", meaning, *details.get(code, ("", "", ""))) for code, meaning in meanings.items()}


CODES: Mapping[str, Code] = {
    **_reasons(),
    **{code: Code("assumption", meaning) for code, meaning in ASSUMPTIONS.items()},
    **elsewhere.CODES,
}
"""By code."""
