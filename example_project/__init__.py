"""A site that is its own provider: both halves of the dance, with no keys and no network."""
