"""The real process under the real kernel: killed, on a disk that fails or is full, with a queue that grows.

`python -m tests.crash --help` tells what there is at full length; the tests beside it are the same in short.
"""
