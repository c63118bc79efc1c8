"""The page of a running lab: one port for the page, the API, the live feed and the line client.

`http` is the door (h11 on Trio), `access` says who may come in, `routes` is the table of all that is here, and
`site` puts it together for `open_lab`.
"""
