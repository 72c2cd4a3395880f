"""Presets: a page of facts each. Nothing imports this package but your settings."""
