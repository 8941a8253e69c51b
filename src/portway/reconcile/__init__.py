"""One controller a module, pure: the documents it may read → the Changes it wants.

The shells that feed and obey these functions live in `portway.controllers`.
"""
