"""Doors of layer 7: listens, and does with each request what `routing.decide` says.

An **engine** runs the table of one **door**: HAProxy where it is installed, else the built-in router; what they do is
the same, held together by one suite of tests with real requests. The process follows the API server, computes the
table and has the engine apply it: changes of endpoints, certificates, hosts and paths reload nothing.

Rules of the room: a table that cannot be applied leaves the old one in force and is told in one line; keys are
written to private folders or memory, and never logged; what a client claims of who it is (X-Forwarded-*) is
replaced. httptools and aiohttp are imported with an engine, not with the room.
"""
