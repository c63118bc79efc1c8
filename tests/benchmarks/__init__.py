"""How fast the lab is, beside other servers: `python -m tests.benchmarks [--quick] [NAMES]`.

Every server and every driver is a process of its own.  Servers that are compared take turns, A B A B, because a
machine is not the same from one minute to the next; what counts is the ratio of each pair, not a rate.
Nothing here asserts a time.
"""
