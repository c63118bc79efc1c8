"""The network as servers know it: listen, connect, datagrams, and who is calling; over the system's or in memory."""
