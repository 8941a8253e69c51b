"""Checks, held to their examples and to the mistakes of others."""
