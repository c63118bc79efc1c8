"""Clients that mean ill, against a real `maillab up`: what they cost it, and whether others are served meanwhile."""
