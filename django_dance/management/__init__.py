"""The management commands, and the modules that several of them use."""
