"""Soak tests: `scripts/soak` runs them, one attack of strangers at a time.

Five kinds of process: the harness (`cli`, `session`), one publisher (`publishing`), the healthy
audience of stock SUB sockets (`listening`), and the strangers (`attacking`, with a crowd from
`crowds`). What each attack is, is data: `attacks`. They speak as the benchmarks do.
"""
