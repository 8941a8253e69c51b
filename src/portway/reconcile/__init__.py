"""One controller a module, pure: the documents it may read → the Changes it wants.

Rules of the room: a document that is passed in is never changed; what is wanted is a copy. `now` is in seconds since
the epoch, passed in; so is what chance gives (name suffixes). A function is given everything that concerns its
object and is right about it alone: run again on what came of its Changes, it wants nothing more (but what time
brings). At most one write per object and call, so that a Change never conflicts with one before it.

The shells that feed and obey these functions live in `portway.controllers`.
"""
