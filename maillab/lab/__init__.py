"""The lab: a lab file (TOML) becomes a checked description, and the description becomes a running lab.

Reading is pure: text in, specs or *all* mistakes out (`load`, with `values`, `structure` and `agreement` behind it);
nothing listens and nothing is looked up before the whole file is known to be right.
"""
