"""Where everything that must outlive a crash is kept: one SQLite file per process, many writers, one fsync.

A job is a plain function of a connection.  Jobs that wait together share one transaction, and
`Database.write` returns only after its COMMIT, so that a 250 said afterwards is the truth.  Without a data
folder the same path runs in memory, inline and with no thread.  The room knows no mail; it keeps octets, and
counts who still needs them.
"""
