"""The presets, read from their classes and written as Markdown."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django_dance import contrib
from django_dance.providers import OAuth1Provider, OAuth2Provider, OIDCProvider, Provider

#: The base classes of presets, most specific first.
PROTOCOLS: Mapping[type[Provider], str] = {
    OIDCProvider: "OIDC",
    OAuth2Provider: "OAuth 2",
    OAuth1Provider: "OAuth 1",
}
#: Example values for required options without a default.
EXAMPLES: Mapping[str, Any] = {
    "host": "host.example.com",
    "base_url": "https://host.example.com/",
    "issuer": "https://host.example.com",
    "allow_plain_pkce": True,
}
#: Meanings of options that have no comment in most classes.
MEANINGS: Mapping[str, str] = {"host": "The server's host name."}

_SEPARATORS = {" ": "space", ",": "comma", "+": "plus", ";": "semicolon", "|": "bar"}
_CLIENT_AUTH = {"basic": "HTTP Basic", "post": "in the body", "none": "none: a public client"}
#: Facts without a row that has their name: their row has a title, the text describes them, or they
#: are the protocol's endpoints.
_SHOWN = frozenset(
    {
        "access_token_url",
        "account_id",
        "account_json",
        "account_label",
        "account_method",
        "account_url",
        "allow_plain_pkce",
        "api_origins",
        "authorization_url",
        "authorization_url_options",
        "auto_refresh_url",
        "base_url",
        "base_url_domains",
        "base_url_from_token",
        "checked",
        "client_auth",
        "closes",
        "device_authorization_url",
        "discovery_url",
        "documentation",
        "end_session_url",
        "from_config",
        "issuer",
        "jwks_url",
        "label",
        "option_facts",
        "pkce",
        "place_kind",
        "refresh_rotates",
        "refresh_token_lifetime",
        "registration_url",
        "replaced_by",
        "request_token_url",
        "revocation_url",
        "scope",
        "scope_required",
        "scope_separator",
        "scope_words",
        "session_class",
        "supported_until",
        "token_url",
        "unconfirmed",
        "userinfo_url",
    }
)


@dataclass(frozen=True)
class Preset:
    """One preset, and an example provider of its class."""

    #: The name of the preset's module, and of the provider in the examples.
    name: str
    cls: type[Provider]
    #: The required options with example values.
    required: Mapping[str, Any]
    provider: Provider

    @classmethod
    def of(cls, name: str, preset: type[Provider]) -> Preset:
        required = dict.fromkeys(find_required_options(preset))
        options = {fact: EXAMPLES.get(fact, "example") for fact in required}
        return cls(name, preset, options, preset(name, **options))

    @property
    def path(self) -> str:
        return f"{self.cls.__module__}.{self.cls.__qualname__}"

    @property
    def base(self) -> type[Provider]:
        return next(base for base in PROTOCOLS if issubclass(self.cls, base))

    @property
    def protocol(self) -> str:
        return PROTOCOLS[self.base]

    @property
    def lineage(self) -> list[type[Provider]]:
        """The preset's class and its bases up to the protocol's class."""
        mro = self.cls.__mro__
        return [base for base in mro[: mro.index(self.base)] if issubclass(base, Provider)]

    @property
    def own_options(self) -> list[str]:
        """The options that the protocol's class does not have, in the order of the source."""
        own = self.cls.options() - self.base.facts()
        order = [
            fact
            for base in reversed(self.lineage)
            for fact in {**vars(base), **base.__annotations__}
        ]
        return sorted(own, key=order.index)

    def comment(self, fact: str) -> str:
        """The meaning of the fact: its ``#:`` comment, perhaps in the class that defines it."""
        for base in self.cls.__mro__:
            if issubclass(base, Provider) and (found := comments(base, "#:").get(fact)):
                return found
        return MEANINGS.get(fact, "")

    def remark(self, fact: str) -> str:
        """The reason for the fact's value: the plain comment above it."""
        for base in self.lineage:
            if fact in vars(base):
                return comments(base, "# ").get(fact, "")
        return ""


#: Modules of protocols, which have pages of their own: each server has its own facts.
WITHOUT_FACTS = frozenset({"mcp"})


def modules() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(contrib.__path__))
    return [name for name in found if name not in WITHOUT_FACTS]


def provider_classes(module: str) -> list[type[Provider]]:
    """The provider classes that a module of presets defines."""
    found = importlib.import_module(f"{contrib.__name__}.{module}")
    return [
        value
        for value in vars(found).values()
        if inspect.isclass(value)
        and issubclass(value, Provider)
        and value.__module__ == found.__name__
    ]


@cache
def presets() -> tuple[Preset, ...]:
    """Every preset, sorted by label."""
    found = [
        # A module should have one preset. If it has two, the second is named after its class.
        Preset.of(cls.__name__.lower() if index else module, cls)
        for module in modules()
        for index, cls in enumerate(provider_classes(module))
    ]
    return tuple(sorted(found, key=lambda preset: preset.provider.label.casefold()))


def find_required_options(cls: type[Provider]) -> list[str]:
    """The options that a site must set to use a provider of this class."""
    # A preset states the endpoints itself. Only a server's own address comes from the site.
    stated = {*cls._facts_with("url"), *cls._credentials} - {"base_url", "issuer"}
    options = cls.options() - stated
    empty = {fact for fact in options if not getattr(cls, fact, None)}
    texts = [getattr(cls, fact) for fact in (*cls._facts_with("url"), "account_url")]
    texts += [*cls.request_headers.values(), *cls.api_origins]
    named = {name for text in texts for name in re.findall(r"{(\w+)}", text or "")}
    required = sorted(named & empty)
    # The provider's own checks name the other missing options, one after another.
    while True:
        given = {fact: EXAMPLES.get(fact, "example") for fact in required}
        told = " ".join(map(str, cls("preset", **given).problems()))
        words = re.findall(r"\b[A-Z][A-Z_]+\b", told)
        missing = [word.lower() for word in words if word.lower() in empty - {*required}]
        if not missing:
            return required
        required.append(missing[0])


@cache
def comments(cls: type, marker: str) -> Mapping[str, str]:
    """Map each fact to the comment above it."""
    file = inspect.getsourcefile(cls)
    if file is None:
        return {}
    lines = Path(file).read_text("utf-8").splitlines()
    found = {}
    for node in class_statements(cls, "\n".join(lines)):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        above = []
        for line in reversed(lines[: node.lineno - 1]):
            if not line.strip().startswith(marker):
                break
            above.insert(0, line.strip().removeprefix(marker).strip())
        if above:
            found[ast.unparse(target)] = " ".join(above)
    return found


def class_statements(cls: type, source: str) -> Iterator[ast.Assign | ast.AnnAssign]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            for statement in node.body:
                if isinstance(statement, (ast.Assign, ast.AnnAssign)):
                    yield statement


def sources() -> list[str]:
    """The source files that the catalogue is generated from."""
    classes = {base for preset in presets() for base in preset.cls.__mro__[:-1]}
    return sorted({file for cls in classes if (file := inspect.getsourcefile(cls))})


# --- Markdown -------------------------------------------------------------------------------------


def overview() -> str:
    head = ("preset", "class", "protocol", "refresh", "PKCE", "scopes are separated by")
    rows = [
        (
            f"[{escape(preset.provider.label)}](catalogue/{preset.name}.md)",
            code(preset.path.removeprefix("django_dance.")),
            preset.protocol,
            refresh(preset.provider) or "–",
            pkce(preset.provider) or "–",
            separator(preset.provider) or "–",
        )
        for preset in presets()
    ]
    return table(head, rows)


def page(preset: Preset) -> str:
    """The page of a preset."""
    return "\n\n".join(
        filter(
            None,
            (
                f"# {escape(preset.provider.label)}",
                description(preset),
                table(("fact", "value"), [*fact_rows(preset)]),
                example(preset),
                options(preset),
            ),
        )
    )


def description(preset: Preset) -> str:
    """The docstring without the documentation's URL, which has a row of its own."""
    prose = inspect.cleandoc(vars(preset.cls).get("__doc__") or "")
    prose = prose.removeprefix(preset.cls.documentation).lstrip(" \n—–-.:;,")
    return escape(prose[:1].upper() + prose[1:]) if prose[:4] != "http" else escape(prose)


def fact_rows(preset: Preset) -> Iterator[tuple[str, str]]:
    """The rows of a preset's facts; empty facts are left out."""
    for title, value, *facts in _rows(preset):
        if value:
            doubtful = set(facts) & set(preset.cls.unconfirmed)
            remarks = dict.fromkeys(filter(None, map(preset.remark, facts)))
            words = [value, doubtful and "(not confirmed)", *(f"– {escape(r)}" for r in remarks)]
            yield title, " ".join(filter(None, words))
    if preset.cls.unconfirmed:
        yield (
            "not confirmed by two independent sources",
            ", ".join(map(code, preset.cls.unconfirmed)),
        )


def _rows(preset: Preset) -> Iterator[tuple[str, ...]]:
    provider: Any = preset.provider
    yield "class", code(preset.path)
    yield "protocol", preset.protocol
    yield "the provider ends this API on", provider.closes, "closes"
    yield "replaced by", escape(provider.replaced_by), "replaced_by"
    yield "documentation", link(provider.documentation), "documentation"
    yield "facts checked", provider.checked, "checked"
    ends = [f"{code(fact.upper())} {day}" for fact, day in provider.supported_until.items()]
    yield "default supported until", ", ".join(ends), "supported_until"
    yield "register your site at", link(provider.registration_url), "registration_url"
    yield "callback URL", code(f"https://example.com/login/{provider._route('authorized_url')}")
    yield "credentials", ", ".join(code(setting) for setting in credentials(preset))
    yield "further settings", ", ".join(code(setting) for setting in further_settings(preset))
    yield "API", code(provider.base_url), "base_url"
    if provider.base_url_from_token:
        yield (
            "API URL from the token",
            f"{code(provider.base_url_from_token)}, within "
            f"{', '.join(map(code, provider.base_url_domains))}",
            "base_url_from_token",
            "base_url_domains",
        )
    yield "the token may also go to", ", ".join(map(code, provider.api_origins)), "api_origins"
    yield from _oauth2_rows(preset)
    account = code(provider.account_id)
    if provider.account_url:
        account += f" of {code(f'{provider.account_method} {provider.account_url}')}"
    elif preset.base is OIDCProvider and provider.account_id == "sub":
        account += " of the ID token"
    elif account:
        account += " of the token"
    yield "account id", account, "account_id", "account_url", "account_method", "account_json"
    yield "account label", code(provider.account_label), "account_label"
    if provider.place_kind:
        yield "[places](../places.md) such as", code(provider.place_kind.example), "place_kind"
    for fact in sorted(preset.base.facts() - _SHOWN):
        if getattr(preset.cls, fact, None) != getattr(preset.base, fact, None):
            yield code(fact), code(text(getattr(preset.cls, fact))), fact


def _oauth2_rows(preset: Preset) -> Iterator[tuple[str, ...]]:
    provider: Any = preset.provider
    if not isinstance(provider, OAuth2Provider):
        return
    yield "issuer", code(provider.issuer), "issuer"
    if isinstance(provider, OIDCProvider) and not provider.authorization_url:
        yield "endpoints", "discovered", "discovery_url"
    scope = provider.scope or ()
    scopes = scope if isinstance(scope, str) else provider.scope_separator.join(scope)
    yield "default scope", code(scopes), "scope"
    yield "a scope is required", "yes" if provider.scope_required else "", "scope_required"
    yield "scopes are separated by", separator(provider), "scope_separator"
    yield "client authentication", _CLIENT_AUTH.get(provider.client_auth, ""), "client_auth"
    yield "PKCE", pkce(provider), "pkce"
    yield "tokens are refreshed", refresh(provider), "auto_refresh_url", "refresh_rotates"
    days = provider.refresh_token_lifetime
    yield "refresh tokens expire after", f"{days} days" if days else "", "refresh_token_lifetime"
    revokes = provider.revocation_url or type(provider).revoke is not OAuth2Provider.revoke
    yield "disconnecting revokes the token", "yes" if revokes else "", "revocation_url"
    device = "yes" if provider.device_authorization_url else ""
    yield "device flow", device, "device_authorization_url"
    if isinstance(provider, OIDCProvider):
        yield "logout at the provider", "yes" if provider.end_session_url else "", "end_session_url"


def example(preset: Preset) -> str:
    """A code block with the preset's entry in the settings."""
    entry = {"PROVIDER": preset.path}
    entry |= {fact.upper(): value for fact, value in preset.required.items()}
    lines = [f"        {text(key)}: {text(value)},\n" for key, value in entry.items()]
    settings = "".join(f"{s} = os.environ[{text(s)}]\n" for s in credentials(preset))
    return (
        f"```python\nimport os\n\nDANCE_PROVIDERS = {{\n    {text(preset.name)}: {{\n"
        f"{''.join(lines)}    }},\n}}\n{settings}```"
    )


def options(preset: Preset) -> str:
    """A table of the preset's own options and of its required options."""
    facts = dict.fromkeys((*preset.required, *preset.own_options))
    rows = []
    for fact in facts:
        default = getattr(preset.cls, fact, None)
        meaning = escape(preset.comment(fact))
        added = getattr(preset.cls, "authorization_url_options", {}).get(fact, {})
        sends = ", ".join(code(f"{name}={value}") for name, value in added.items())
        changed = getattr(preset.cls, "option_facts", {}).get(fact, {})
        changes = ", ".join(code(f"{name} = {text(value)}") for name, value in changed.items())
        rows.append(
            (
                code(fact.upper()),
                "required" if fact in preset.required else code(text(default)),
                " ".join(
                    filter(
                        None,
                        (meaning, sends and f"Sends {sends}.", changes and f"Then {changes}."),
                    )
                ),
            )
        )
    return table(("option", "default", "meaning"), rows) if rows else ""


def credentials(preset: Preset) -> list[str]:
    return [setting for _, setting in preset.provider._needed_credentials()]


def further_settings(preset: Preset) -> list[str]:
    """The settings that the class reads besides the credentials."""
    stated = {local for base in preset.lineage for local in vars(base).get("from_config", {})}
    needed = {local for local, _ in preset.provider._needed_credentials()}
    config = preset.provider.from_config
    return [config[local] for local in config if local in stated - needed]


def refresh(provider: Any) -> str:
    if not isinstance(provider, OAuth2Provider):
        return ""
    if provider.auto_refresh_url is None:
        return "no"
    return "rotating" if provider.refresh_rotates else "yes"


def pkce(provider: Any) -> str:
    if not isinstance(provider, OAuth2Provider):
        return ""
    return provider.pkce or "no"


def separator(provider: Any) -> str:
    if not isinstance(provider, OAuth2Provider):
        return ""
    return _SEPARATORS.get(provider.scope_separator) or code(repr(provider.scope_separator))


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    # An unescaped bar would end the cell, even within code.
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def text(value: object) -> str:
    """The value as a Python literal, with double quotes if the string allows it."""
    literal = repr(value)
    if isinstance(value, str) and literal.startswith("'") and '"' not in literal:
        return f'"{literal[1:-1]}"'
    return literal


def code(value: str | None) -> str:
    if not value:
        return ""
    return f"`` {value} ``" if "`" in value else f"`{value}`"


def link(url: str) -> str:
    """A link; code if the URL depends on other facts."""
    if not url.startswith("https://") or re.search(r"[{}<>\s]", url):
        return code(url)
    return f"<{url}>"


def escape(prose: str) -> str:
    """A docstring or comment as Markdown: code and URLs keep their form, other text is escaped."""
    parts = re.split(r"(``.+?``|`[^`]+`|https://[^\s`<>()]+[^\s`<>().,;:])", prose, flags=re.DOTALL)
    for index, part in enumerate(parts):
        if index % 2 == 0:
            parts[index] = re.sub(r"([\\*_<>\[\]{}#|~])", r"\\\1", part)
        elif part.startswith("https://"):
            parts[index] = link(part)
        else:
            parts[index] = code(re.sub(r"\s+", " ", part.strip("`")))
    return "".join(parts)
