"""Whole labs in memory under Trio's MockClock: a seed draws topology, traffic, faults, crashes and clock jumps.

What a seed leads to is judged by a ledger that knows what the clients were told, what lies in the mailboxes, and what
the records say.  The same seed leads to the same records.  `python -m tests.simulation` for long runs.
"""
