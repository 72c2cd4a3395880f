"""The ids of accounts at a provider, and the lengths of the columns."""

from __future__ import annotations

import re

#: The longest id of an account, in characters: the length of the column.
MAX_ACCOUNT_ID = 255
#: The longest place, in characters: the length of the column.
MAX_PLACE = 255

#: The texts that programs write for a value that is missing.
_NO_VALUES = frozenset({"none", "null", "undefined", "nan"})
#: Characters that are not shown, though Unicode counts them as printable: fillers, the blank
#: Braille pattern, and the marks that choose a variant of another character.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)


def is_account_id(text: str) -> bool:
    """Whether a text can be the id of one account.

    Several accounts may have the text of a missing value, or ids that look the same because they
    differ in invisible characters only.
    """
    return (
        0 < len(text) <= MAX_ACCOUNT_ID
        and text.isprintable()
        and text == text.strip()
        and text.casefold() not in _NO_VALUES
        and not _INVISIBLE.search(text)
    )
