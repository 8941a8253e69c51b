"""A Kubernetes API server around kubeapi and store: sockets, TLS, authentication, watch streams."""
