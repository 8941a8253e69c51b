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
"""
