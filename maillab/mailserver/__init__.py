"""A mail server as people know it: it takes mail in, decides where it goes, keeps it until it is there.

Reception answers an SMTP client and says 250 only to what is committed; routing splits recipients; the queue
holds what waits; delivery brings it to the next hop, tries again, and tells the sender when it gives up.
"""
