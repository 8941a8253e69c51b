"""Questions about a cluster, one a module: Snapshot (or documents) → Answer. Pure."""
