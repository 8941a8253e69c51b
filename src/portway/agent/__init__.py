"""A node's agent, kube-proxy's part: sync loop, nft runner, netlink, health, metrics."""
