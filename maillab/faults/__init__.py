"""Faults that are wanted: a plan of what goes wrong, and where it enters a lab.

`fault`, `plan` and `link` are sans-I/O: what a fault is, whom it fits, when it strikes.  `network`, `policy`, `disk`
and `names` let the plan into what the rooms below offer: streams, replies, commits, lookups.
"""
