"""The trace: what happened to one message, told by the records of every server that touched it.

`record` holds the closed list of events, `identity` the ids that join the hops.  `path` gathers records to traces as
they come, `story` tells a trace as steps between lanes, and `ladder`, `mermaid` and `console` write for people.
Nothing here asks another room, so a log file alone is enough to draw the picture.
"""
