"""Refusals: the words with which a provider refuses, and the meanings of these words.

The standard words are those of RFC 6749 §4.1.2.1 and §5.2, RFC 8628 §3.5 and OpenID Connect Core
3.1.2.6. A preset adds its provider's own words as the fact ``refusals``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..tokens import clean_words

if TYPE_CHECKING:
    from ..http import ProtocolResponse

#: Meaning → the standard words for it.
STANDARD_WORDS: Mapping[str, Sequence[str]] = {
    # The user said no.
    "cancelled": ("access_denied",),
    # The user has not entered the code of a device yet.
    "pending": ("authorization_pending",),
    # The device asks too often.
    "slow_down": ("slow_down",),
    # The provider cannot answer now: the same request may succeed later.
    "busy": ("temporarily_unavailable", "server_error"),
    # The grant, the code or the refresh token has ended: only the user can renew it.
    "dead": (
        "invalid_grant",
        "expired_token",
        "interaction_required",
        "login_required",
        "account_selection_required",
        "consent_required",
    ),
    # The provider does not accept this site's credentials, which says nothing about a grant.
    "client": ("invalid_client",),
}
#: The meaning of a refusal whose words are not known.
UNKNOWN = "unknown"

#: The accepted form of an error code (RFC 6749 §5.2). Providers use codes of their own too.
_ERROR_CODE = re.compile(r"[\w.:/-]{1,39}", re.ASCII)
#: The members of an error object that may have a code.
_CODES = ("code", "type", "errorType", "status", "error")


@dataclass(frozen=True)
class Refusal:
    """A provider's refusal, in its own words. They are clean, and have no secret of the request."""

    #: The provider's code; ``""`` if it has none.
    code: str
    #: The provider's sentence; ``""`` if it has none.
    text: str = ""
    #: An https page of the provider about the refusal.
    uri: str | None = None


def meaning(words: Iterable[tuple[str, str]], code: str | None, text: str | None) -> str:
    """Return the meaning of a code and a sentence; :data:`UNKNOWN` if no word fits.

    A word is a code; or a whole sentence, if the provider has no code of its own; or
    ``"code: part"``, which fits this code if the part occurs in the sentence. The case of letters
    is ignored. A word with a part takes precedence over the code, the code over the sentence, and
    otherwise the first that fits counts.

    :param words: pairs of a word and its meaning.
    """
    code, text = (code or "").casefold(), (text or "").casefold()
    by_code = by_text = ""
    for word, means in words:
        start, colon, part = word.casefold().partition(": ")
        if colon and start == code and part in text:
            return means
        word = word.casefold().rstrip(".")
        by_code = by_code or (means if word == code else "")
        by_text = by_text or (means if word == text.rstrip(".") else "")
    return by_code or by_text or UNKNOWN


def word_pairs(refusals: Mapping[str, str | Sequence[str]] | None) -> Iterator[tuple[str, str]]:
    """Yield each word of a fact ``refusals`` with its meaning."""
    for means, words in (refusals or {}).items():
        for word in (words,) if isinstance(words, str) else words:
            yield word, means


def read_refusal(answer: ProtocolResponse, fields: Mapping[str, Any]) -> Refusal | None:
    """Return the refusal in an answer of the token endpoint; ``None`` if it is not a refusal.

    :param fields: the members of the answer; empty if it has another format.
    """
    # The status does not decide, because some providers refuse with 200. An ``"error": null``
    # beside a token is no refusal.
    error = fields.get("error")
    if answer.succeeded and not error:
        return None
    code = read_code(fields, answer.status)
    if not code and error:
        code = "invalid_response"  # a sentence in place of a code
    description = fields.get("error_description")
    text = answer.mask(description) if isinstance(description, str) and description else ""
    return Refusal(
        code,
        clean_words(text or answer.words()) or "",
        https_only(fields.get("error_uri")),
    )


def read_code(fields: Mapping[str, Any], status: int) -> str:
    """Return the error code in a refusal, or ``""``: a word or a number in the usual members."""
    found: Any = fields.get("error") or fields.get("errors") or fields
    if isinstance(found, list):
        found = found[0] if found else None
    if isinstance(found, str) and not _ERROR_CODE.fullmatch(found):
        found = fields  # a sentence, which may repeat secrets, or the name of the HTTP status
    values = [found.get(name) for name in _CODES] if isinstance(found, Mapping) else [found]
    for value in values:
        if isinstance(value, int) and not isinstance(value, bool) and value != status:
            value = str(value)
        if isinstance(value, str) and _ERROR_CODE.fullmatch(value):
            return value
    return ""


def https_only(value: object) -> str | None:
    """Return the address of a page about an error, if it can be shown."""
    text = value if isinstance(value, str) and value.isascii() and value.isprintable() else ""
    return text[:300] if text.startswith("https://") else None
