"""DNS inside the lab: zones that can change while it runs, a server for `dig` and resolvers, and delivery's questions.

dnspython reads and writes the wire format and the records' texts; asking and answering are the lab's own.
"""
