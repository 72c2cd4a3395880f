"""Bridges: the tokens that another library obtains when a user signs in are stored here.

Each bridge is a module of its own and imports its library. The site's settings name it; no other
module imports it.
"""
