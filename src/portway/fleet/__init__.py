"""Makes nodes and pods out of network namespaces: keeper, world, kubelet, stand-ins, processes, relay."""
