"""The metadata of clients that this site has not registered itself (RFC 7591 §2).

They come from a client's metadata document or from a registration request. Both are written by
strangers: everything is limited in length, and nothing that they name is fetched.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .redirects import open_registration_error

#: The longest redirect URI, and the longest name, in characters; and the most redirect URIs.
MAX_URI, MAX_NAME, MAX_URIS = 500, 100, 20
#: Letters and a symbol that are drawn as nothing.
_BLANK = dict.fromkeys(map(ord, "\u115f\u1160\u2800\u3164\uffa0"))
#: A character may have so many combining marks; more would cover the lines above and below a name.
_MOST_MARKS = 4
#: The grant types that these clients can use. They are public clients.
_GRANT_TYPES = ("authorization_code", "refresh_token")


class InvalidMetadata(ValueError):
    """The metadata cannot be used; ``code`` is an error code of RFC 7591 §3.2.2."""

    def __init__(self, description: str, code: str = "invalid_client_metadata") -> None:
        super().__init__(description)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class ClientMetadata:
    """The metadata that the server uses."""

    name: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]
    #: The scopes that the client may ask for.
    scopes: tuple[str, ...]

    #: The names in :attr:`columns`.
    column_names = (
        "name",
        "registered_redirect_uris",
        "grant_types",
        "scope",
        "is_confidential",
    )

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of the client's row. The client is public."""
        return {
            "name": self.name,
            "registered_redirect_uris": "\n".join(self.redirect_uris),
            "grant_types": " ".join(self.grant_types),
            "scope": " ".join(self.scopes),
            "is_confidential": False,
        }


def read_metadata(
    fields: Mapping[str, Any], *, open_scopes: Sequence[str], drop_unusable: bool = False
) -> ClientMetadata:
    """Return the metadata that the server uses. Members that it does not know are ignored.

    :param open_scopes: the scopes that these clients may ask for.
    :param drop_unusable: leave out redirect URIs that the server refuses, if one is left.
    :raises InvalidMetadata: a member is missing, malformed or too long.
    """
    uris = _texts(fields, "redirect_uris", ())
    problems = {uri: problem for uri in uris if (problem := _uri_problem(uri))}
    usable = tuple(dict.fromkeys(uri for uri in uris if uri not in problems))
    if len(uris) > MAX_URIS:
        raise InvalidMetadata(f"There are more than {MAX_URIS} redirect_uris.")
    if not usable or (problems and not drop_unusable):
        # As ASCII: some characters begin a line in a log, or cannot be encoded in a page.
        why = "; ".join(f"{uri[:MAX_URI]!a}: {problem}" for uri, problem in problems.items())
        raise InvalidMetadata(why or "There are no redirect_uris.", "invalid_redirect_uri")
    grants = _texts(fields, "grant_types", _GRANT_TYPES[:1])
    if "authorization_code" not in grants:
        raise InvalidMetadata("The grant_types must contain authorization_code.")
    if "code" not in _texts(fields, "response_types", ("code",)):
        raise InvalidMetadata("The response_types must contain code.")
    asked = fields.get("scope")
    if asked is not None and not isinstance(asked, str):
        raise InvalidMetadata("The scope must be a string of scopes, separated by spaces.")
    return ClientMetadata(
        name=_name(fields, usable),
        redirect_uris=usable,
        grant_types=tuple(grant for grant in _GRANT_TYPES if grant in grants),
        scopes=tuple(s for s in open_scopes if asked is None or s in asked.split()),
    )


def _uri_problem(uri: str) -> str | None:
    if len(uri) > MAX_URI:
        return f"it has more than {MAX_URI} characters."
    return open_registration_error(uri)


def _texts(fields: Mapping[str, Any], name: str, default: Sequence[str]) -> Sequence[str]:
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidMetadata(f"The {name} must be a list of strings.")
    return value


def _name(fields: Mapping[str, Any], redirect_uris: Sequence[str]) -> str:
    name = fields.get("client_name")
    if name is None:
        return (urlsplit(redirect_uris[0]).hostname or "")[:MAX_NAME]
    if not isinstance(name, str) or not name.strip():
        raise InvalidMetadata("The client_name must be a text.")
    if len(name) > MAX_NAME:
        raise InvalidMetadata(f"The client_name has more than {MAX_NAME} characters.")
    if not name.isprintable():
        # Such as the characters that reverse the direction of the text after them.
        raise InvalidMetadata("The client_name has characters that cannot be printed.")
    # The first letters of the categories: M is a mark, Z is a space.
    kinds = "".join(unicodedata.category(char)[0] for char in name.translate(_BLANK))
    if not set(kinds) - {"M", "Z"}:
        raise InvalidMetadata("The client_name cannot be seen.")
    if "M" * (_MOST_MARKS + 1) in kinds:
        raise InvalidMetadata("The client_name has too many combining marks.")
    return name.strip()
