"""SMTP (RFC 5321) as a craft: words, table and data reader without I/O; server and client shells around them."""
