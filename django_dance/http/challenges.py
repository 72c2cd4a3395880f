"""The challenges of an API that refuses a token (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9470)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: The longest ``WWW-Authenticate`` that is read, in characters.
MAX_CHALLENGE = 8 * 1024
#: The schemes of OAuth (RFC 6750 §3, RFC 9449 §7.1).
_SCHEMES = ("bearer", "dpop")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  the grammar of RFC 9110 §5.6.2
#: The end of a part: the next one, the next challenge, or the end of the header.
_END = r"[ \t]*(?:,|$)"
_PARAMETER = re.compile(
    # Some servers write a URL without quotation marks.
    rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",=][^\s",]*)){_END}'
)
_SCHEME = re.compile(rf"({_TOKEN})(?:[ \t]+|{_END})")
_TOKEN68 = re.compile(rf"[A-Za-z0-9._~+/-]+=*{_END}")
_SEPARATORS = re.compile(r"[ \t,]*")


@dataclass(frozen=True)
class Challenge:
    """A challenge: its scheme and the names of its parameters, both in lower case."""

    scheme: str
    params: Mapping[str, str]


def read_challenges(headers: Mapping[str, str]) -> list[Challenge]:
    """Return all challenges of an answer, in their order.

    There may be several in one header, and several headers, which an HTTP client has joined. The
    list ends before a part that is malformed. If a challenge has a parameter twice, the first one
    counts.

    :param headers: the headers of the answer, whose names have any case.
    """
    values = (value for name, value in headers.items() if name.lower() == "www-authenticate")
    text = ", ".join(values)[:MAX_CHALLENGE]
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while (at := _skip(text, at)) < len(text):
        if found and (parameter := _PARAMETER.match(text, at)):
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][1].setdefault(name.lower(), value)
            at = parameter.end()
        elif scheme := _SCHEME.match(text, at):
            found.append((scheme[1].lower(), {}))
            at = scheme.end()
            # The credentials of some schemes are one text, which has no name (RFC 9110 §11.2).
            if text[at - 1] != "," and (token68 := _TOKEN68.match(text, at)):
                at = token68.end()
        else:
            break
    return [Challenge(scheme, params) for scheme, params in found]


def _skip(text: str, at: int) -> int:
    match = _SEPARATORS.match(text, at)
    return match.end() if match else at


def bearer_challenge(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of the challenge of OAuth; empty without one.

    Of several challenges, the first that names an error counts, or else the first that has
    parameters. A request without a token gets a challenge without an error (RFC 6750 §3.1).
    """
    oauth = [found.params for found in read_challenges(headers) if found.scheme in _SCHEMES]
    oauth.sort(key=lambda params: ("error" not in params, not params))
    return dict(oauth[0]) if oauth else {}


def oauth_challenge(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of the challenge of OAuth that names an error; empty without one.

    :param headers: the headers of the answer, whose names have any case.
    """
    found = bearer_challenge(headers)
    return found if "error" in found else {}
