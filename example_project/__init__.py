"""A demo: a client and two providers in one process, without credentials and network."""
