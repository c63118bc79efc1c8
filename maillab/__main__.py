"""`python -m maillab` is `maillab`."""

from maillab.cli.main import main

main()
