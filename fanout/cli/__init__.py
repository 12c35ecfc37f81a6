"""The command line: `fanout serve` and `fanout sub`, one file for each subcommand."""
