"""The embedded database: whole documents, revisions that only grow, watch from a revision (SQLite)."""
