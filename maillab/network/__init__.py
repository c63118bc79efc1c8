"""The network as servers know it: listen, connect, and who is calling; over TCP or in memory."""
