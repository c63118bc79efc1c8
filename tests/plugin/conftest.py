"""The project beside this file is run by test_plugin.py, in a pytest of its own."""

collect_ignore = ["project"]
