"""Where mail comes to rest: the mailboxes of each server, their entries, flags and UIDs.

`store.py` holds plain functions of a database connection, so that reception can put a message into mailboxes
and queue in one transaction; POP3, IMAP and the page read the same entries.
"""
