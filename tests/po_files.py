"""Catalogues of translations, and the texts that the sources mark for them; without gettext."""

import ast
import io
import re
import tokenize
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

from django.utils.translation import templatize

import django_dance

PACKAGE = Path(django_dance.__file__).parent
#: The folders of the apps. The app in a folder below another has a catalogue of its own.
APPS = (PACKAGE, PACKAGE / "server")
#: The functions that mark a text: p takes a context before it, and n a plural after it.
MARKS = re.compile(r"_|(n?)(p?)gettext(?:_lazy)?")
#: The tokens that may stand between the texts of one call.
SPACE = (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT)


@dataclass
class Entry:
    """An entry of a catalogue: a context, a text and its plural, and their translations."""

    fields: dict[str, str] = field(default_factory=dict)
    is_fuzzy: bool = False

    @property
    def key(self):
        return tuple(self.fields.get(name) for name in ("msgctxt", "msgid", "msgid_plural"))

    @property
    def texts(self):
        return [text for text in self.key[1:] if text is not None]

    @property
    def translations(self):
        return [text for name, text in self.fields.items() if name.startswith("msgstr")]


@dataclass
class Catalogue:
    """The catalogue of an app in one language."""

    path: Path

    def __post_init__(self):
        self.source = self.path.read_text("utf-8")
        self.locale = self.path.parents[1].name
        self.app = self.path.parents[3]
        self.header, *self.entries = [
            read_entry(block) for block in re.split(r"\n\n+", self.source.strip())
        ]

    def __str__(self):
        return f"{self.app.name}-{self.locale}"


def read_entry(block):
    """Read the lines of one entry."""
    entry, name = Entry(), ""
    for line in block.splitlines():
        if line.startswith("#"):
            entry.is_fuzzy |= line.startswith("#,") and "fuzzy" in line
            continue
        start, text = re.fullmatch(r'(?:(msg\S+) )?(".*")', line).groups()
        name = start or name
        entry.fields[name] = entry.fields.get(name, "") + ast.literal_eval(text)
    return entry


def catalogues():
    """All catalogues of the package."""
    return [
        Catalogue(path) for app in APPS for path in sorted(app.glob("locale/*/LC_MESSAGES/*.po"))
    ]


def files_of(app, ending):
    """The files of an app, without those of another app below it."""
    others = [other for other in APPS if other != app and app in other.parents]
    found = sorted(app.rglob(f"*.{ending}"))
    return [path for path in found if not any(other in path.parents for other in others)]


@cache
def marked_texts(app):
    """The texts of an app that are marked for translation, as the keys of entries."""
    sources = [path.read_text("utf-8") for path in files_of(app, "py")]
    sources = [source for source in sources if "gettext" in source]  # to read the rest takes long
    for ending in ("html", "txt"):
        # The brackets let the text begin with spaces.
        sources += [f"({templatize(path.read_text('utf-8'))}\n)" for path in files_of(app, ending)]
    return {key for source in sources for key in _marked(source)}


def _marked(source):
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for number, (token, following) in enumerate(pairwise(tokens)):
        mark = MARKS.fullmatch(token.string)
        if token.type == tokenize.NAME and mark and following.string == "(":
            texts = _literals(tokens[number + 2 :])
            context = texts.pop(0) if mark[2] else None
            yield context, texts[0], texts[1] if mark[1] else None


def _literals(tokens):
    """The first arguments of a call, as long as they are literal strings."""
    found = [""]
    for token in tokens:
        if token.type == tokenize.STRING:
            found[-1] += ast.literal_eval(token.string)
        elif token.string == ",":
            found.append("")
        elif token.type not in SPACE:
            break
    return found
