"""For the command line: what the commands share."""
