"""Runs reconcile/ against a client: queues, retries, one loop for all controllers."""
