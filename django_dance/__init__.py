"""Act for your users at other sites: OAuth tokens, got, kept, refreshed and used."""

__version__ = "0.1.0"
