"""The challenge of an API that refuses a token (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9470)."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: The longest ``WWW-Authenticate`` that is read, in characters.
MAX_CHALLENGE = 8 * 1024
#: The schemes of OAuth (RFC 6750 §3, RFC 9449 §7.1).
_SCHEMES = ("bearer", "dpop")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  the grammar of RFC 9110 §5.6.2
_PART = re.compile(rf'({_TOKEN})(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN})))?')


def oauth_challenge(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of the challenge of OAuth that names an error; empty without one.

    :param headers: the headers of the answer, whose names have any case.
    """
    found: dict[str, str] = {}
    scheme = ""
    for name, quoted, plain in _PART.findall(headers.get("WWW-Authenticate", "")[:MAX_CHALLENGE]):
        if not quoted and not plain:
            if "error" in found:
                break
            scheme, found = name.lower(), {}
        elif scheme in _SCHEMES:
            found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain)
    return found if "error" in found else {}
