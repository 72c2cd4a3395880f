"""Every preset states its facts, and nothing but facts that no other preset has to repeat."""

import ast
import inspect
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from django_dance.providers import OAuth1Provider, OAuth2Provider, OIDCProvider

from ..documents import PRESETS

_NO_LABEL = {"account_label": "The answer has nothing to show to people but the id."}

#: Module → fact → why the preset goes without it. One that is not needed any more is a failure too.
EXCEPTIONS: dict[str, dict[str, str]] = {
    **dict.fromkeys(
        (
            "canva",
            "close",
            "etsy",
            "gocardless",
            "google_health",
            "gusto",
            "mercado_pago",
            "monzo",
            "sage",
            "stripe",
            "vk_id",
        ),
        _NO_LABEL,
    ),
    "apple": {"length": "The client secret is signed anew for each request."},
    "azure": {"length": "An issuer of many tenants."},
    "docusign": {"length": "A sandbox, and the server of the default account."},
    "ebay": {"length": "A name for the callback URL, and a sandbox."},
    "facebook": {"length": "An exchange of tokens."},
    "instagram": {
        **_NO_LABEL,
        "length": "An exchange of tokens, and a refresh without a refresh token.",
    },
    "lichess": {"registration_url": "Nothing is registered there: any name will do as client id."},
    "github": {"length": "Many scopes that include others."},
    "google": {"length": "Four options, and words for scopes."},
    "hubspot": {"length": "Errors of its own, and a request that names the account."},
    "mastodon": {"length": "Servers that publish no metadata."},
    "quickbooks": {"length": "A sandbox, and a company that the callback names."},
    "salesforce": {"length": "Places in several domains, and sandboxes."},
    "shopify": {"length": "A signature of the callback."},
    "slack": {"length": "Tokens of bots and users, and errors of its own."},
    "twitch": {"length": "Errors of its own, and another name for the scopes of a device."},
    "zoho": {"length": "Many data centres, and errors of its own."},
    "square": {
        **_NO_LABEL,
        "length": "An expiry by date, a sandbox, and a revocation that follows no RFC.",
    },
}

#: Names that users can change, or that another user may get later.
MUTABLE = {
    "display_name",
    "email",
    "login",
    "name",
    "nickname",
    "screen_name",
    "user_name",
    "username",
}
MODULES = PRESETS.modules()
LONGEST = 40


@cache
def preset(module):
    """The preset of a module, and a provider made of it with the options it cannot do without."""
    return PRESETS.Preset.of(module, PRESETS.provider_classes(module)[0])


@cache
def source(cls):
    return Path(inspect.getsourcefile(cls)).read_text("utf-8")


def class_node(cls):
    return next(
        node
        for node in ast.walk(ast.parse(source(cls)))
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__
    )


def is_page(url):
    """Whether it is an https address; a part of it may be another fact's."""
    return bool(re.fullmatch(r"https://([\w.-]|{\w+})+(:\d+)?(/\S*)?", url or ""))


# --- what each has to state: ``None``, or what is wrong -------------------------------------------

FACTS = {}


def fact(check):
    FACTS[check.__name__] = check
    return check


@fact
def documentation(cls, provider):
    return None if is_page(cls.documentation) else "no https page"


@fact
def registration_url(cls, provider):
    return None if is_page(cls.registration_url) else "no https page"


@fact
def docstring(cls, provider):
    """The page that the facts are from."""
    return None if "https://" in (vars(cls).get("__doc__") or "") else "names no https page"


@fact
def label(cls, provider):
    return None if provider.label.strip() else "empty"


@fact
def base_url(cls, provider):
    return None if is_page(provider.base_url) else "no https address"


@fact
def endpoints(cls, provider):
    if issubclass(cls, OIDCProvider) and is_page(provider.issuer):
        return None  # the others are discovered
    needed = ["authorization_url", "token_url"]
    if issubclass(cls, OAuth1Provider):
        needed = ["request_token_url", "authorization_url", "access_token_url"]
    missing = [name for name in needed if not is_page(getattr(provider, name))]
    return f"missing: {missing}" if missing else None


@fact
def issuer(cls, provider):
    if issubclass(cls, OIDCProvider) and not is_page(provider.issuer):
        return "no https address"
    return None


@fact
def account_id(cls, provider):
    last = cls.account_id.rpartition(".")[2]
    if not last:
        return "empty"
    return f"{last} can change" if last.lower() in MUTABLE else None


@fact
def account_label(cls, provider):
    return None if cls.account_label or issubclass(cls, OIDCProvider) else "empty"


@fact
def client_auth(cls, provider):
    if issubclass(cls, OAuth2Provider) and provider.client_auth not in ("basic", "post", "none"):
        return f"is {provider.client_auth!r}"
    return None


@fact
def pkce(cls, provider):
    """S256, or something else for a reason that stands beside it."""
    if not issubclass(cls, OAuth2Provider) or cls.pkce == "S256":
        return None
    if cls.pkce not in (None, "plain"):
        return f"is {cls.pkce!r}"
    lines = source(cls).splitlines()
    for node in class_node(cls).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if ast.unparse(target) == "pkce":
                above, beside = lines[node.lineno - 2], lines[node.lineno - 1]
                commented = above.strip().startswith("#") or "#" in beside
                return None if commented else "no comment says why"
    return "is not the class's own"


@fact
def unconfirmed(cls, provider):
    names = cls.unconfirmed
    if not isinstance(names, (tuple, list)):
        return "is no tuple of names"
    strangers = sorted(set(names) - cls.facts())
    return f"names no facts: {strangers}" if strangers else None


@fact
def length(cls, provider):
    lines = len(inspect.getsource(cls).splitlines())
    return f"{lines} lines" if lines > LONGEST else None


@fact
def problems(cls, provider):
    """With the options it cannot do without, there is nothing to complain about."""
    return " ".join(map(str, provider.problems())) or None


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("module", MODULES)
def test_a_preset_states_its_facts(module, name):
    made = preset(module)
    wrong = FACTS[name](made.cls, made.provider)
    if name in EXCEPTIONS.get(module, {}):
        assert wrong, f"EXCEPTIONS[{module!r}][{name!r}] is not needed any more."
    else:
        assert wrong is None, f"{made.path}, {name}: {wrong}"


# --- the catalogue as a whole ---------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_one_preset(module):
    assert len(PRESETS.provider_classes(module)) == 1


def test_every_exception_names_a_preset_and_a_reason():
    for module, reasons in EXCEPTIONS.items():
        assert module in MODULES
        assert set(reasons) <= set(FACTS)
        assert all(reasons.values())


def methods():
    """The methods of the presets: body without docstring → the presets that have it."""
    found = defaultdict(list)
    for module in MODULES:
        for cls in PRESETS.provider_classes(module):
            for node in class_node(cls).body:
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    body = node.body[1:] if ast.get_docstring(node) else node.body
                    dumped = "\n".join(ast.dump(statement) for statement in body)
                    found[dumped].append(f"{module}.{cls.__name__}.{node.name}")
    return found


def test_no_two_presets_have_a_method_that_belongs_in_the_base():
    assert [names for names in methods().values() if len(names) > 1] == []


def test_no_two_presets_have_one_label():
    labels = [preset(module).provider.label for module in MODULES]
    assert sorted({label for label in labels if labels.count(label) > 1}) == []
