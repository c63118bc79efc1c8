"""The things that mail is made of, as values: addresses, envelopes, messages, `Received:` lines, status codes.

Octets in, values out: nothing here knows a connection, a clock or a file, and every function takes what a
stranger may send.  RFC 5321 and 6531 (addresses, paths, trace lines), RFC 5322 (messages), RFC 3463 (codes).
"""
