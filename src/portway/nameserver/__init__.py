"""Cluster DNS on sockets: answers of `portway.dns` over UDP and TCP, and the way to other names."""
