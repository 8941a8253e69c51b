"""What keeps us from asking an API server, as exceptions whose text is one clear line."""


class Unreachable(Exception):
    """No answer from the API server: it is not there, does not speak, or we do not know where it is."""

    never_sent = False
    """The request cannot have been carried out: there was no connection to send it on."""


class BadKubeconfig(Unreachable):
    """The kubeconfig does not say (rightly) where the server is or who we are."""
