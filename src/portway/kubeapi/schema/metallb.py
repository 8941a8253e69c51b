"""metallb.io, in the notation of `notation.py`."""

TEXT = """\
package io.metallb.v1beta1

IPAddressPool  # Addresses that Services of type LoadBalancer are given.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! IPAddressPoolSpec
  status IPAddressPoolStatus

IPAddressPoolSpec
  addresses! []string  # CIDRs, or ranges FIRST-LAST.
  autoAssign boolean default:true  # Whether Services that ask for no pool and no address may have its addresses.
  avoidBuggyIPs boolean default:false  # Leave out IPv4 addresses that end in .0 or .255.
  serviceAllocation metallb.ServiceAllocation  # Only for these Services; asked before pools that are for all.

metallb.ServiceAllocation  # Every condition that is given must hold.
  namespaceSelectors []LabelSelector  # Any of these.
  namespaces []string
  priority integer  # The lower, the earlier; 0 or not given: last.
  serviceSelectors []LabelSelector  # Any of these.

IPAddressPoolStatus
  assignedIPv4! int64
  assignedIPv6! int64
  availableIPv4! int64
  availableIPv6! int64

L2Advertisement  # Announce addresses on the local network: ARP and NDP, from one node each.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec L2AdvertisementSpec
  status L2AdvertisementStatus

L2AdvertisementSpec
  interfaces []string  # Only on these; not given: on every one that reaches the address.
  ipAddressPoolSelectors []LabelSelector  # Pools by their labels.
  ipAddressPools []string  # Pools by name; neither names nor selectors: every pool.
  nodeSelectors []LabelSelector  # Only by nodes that one of these selects.
  serviceSelectors []LabelSelector  # Only of Services that one of these selects.

L2AdvertisementStatus

BGPAdvertisement  # Announce addresses as routes to BGPPeers, from every node that may.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec BGPAdvertisementSpec
  status BGPAdvertisementStatus

BGPAdvertisementSpec
  aggregationLength integer default:32  # Of the IPv4 routes.
  aggregationLengthV6 integer default:128  # Of the IPv6 routes.
  communities []string  # Sent with the routes: 64512:100.
  ipAddressPoolSelectors []LabelSelector  # Pools by their labels.
  ipAddressPools []string  # Pools by name; neither names nor selectors: every pool.
  localPref int64  # Sent with the routes.
  nodeSelectors []LabelSelector  # Only by nodes that one of these selects.
  peers []string  # Only to these BGPPeers; not given: to all.

BGPAdvertisementStatus

BGPPeer  # A router that nodes tell of LoadBalancers' addresses.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! BGPPeerSpec
  status BGPPeerStatus

BGPPeerSpec
  bfdProfile string  # Cannot be had: a peer that asks for it has no session, and an Event says so.
  ebgpMultiHop boolean  # The router is not on the nodes' own network.
  holdTime string  # Seconds of silence after which the session ends: 90s.
  myASN! int64
  nodeSelectors []LabelSelector  # Only nodes that one of these selects; not given: all.
  password string  # For TCP MD5.
  passwordSecret SecretReference  # A Secret beside the peer that has it instead, of type kubernetes.io/basic-auth.
  peerASN! int64
  peerAddress! string
  peerPort integer default:179
  routerID string  # Not given: the node's first IPv4 address.
  sourceAddress string  # Not given: the node's address of the router's family.

BGPPeerStatus

ServiceL2Status  # A node that answers for a Service's addresses at layer 2. Written by announcers.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec ServiceL2StatusSpec
  status MetalLBServiceL2Status

ServiceL2StatusSpec

MetalLBServiceL2Status
  interfaces []metallb.InterfaceInfo  # Those that receive the traffic.
  node string
  serviceName string
  serviceNamespace string

metallb.InterfaceInfo
  name string

ServiceBGPStatus  # A node that tells routers of a Service's addresses. Written by announcers.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec ServiceBGPStatusSpec
  status MetalLBServiceBGPStatus

ServiceBGPStatusSpec

MetalLBServiceBGPStatus
  node string
  peers []string  # The BGPPeers that are to be told; whether there is a session, metallb_bgp_session_up says.
  serviceName string
  serviceNamespace string
"""
