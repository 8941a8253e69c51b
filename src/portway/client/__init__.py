"""List and watch any Kubernetes API server (embedded or real) and keep what was seen current."""
