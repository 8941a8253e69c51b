"""THE core: a Snapshot and a node become a ForwardingTable; `lookup(table, packet)` answers with a Verdict.

Semantics: research/service-semantics.md section 5 (kube-proxy 1.36, nftables mode). Pure: imports only `model`.
"""
