"""The part of a fake provider that does not depend on the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from ..providers import Provider
from .assertions import Assertions
from .behaviour import Behaviour
from .messages import Answer, Received, make_answer

if TYPE_CHECKING:
    from django.test import Client


class UnexpectedCall(AssertionError):
    """The site called an address of the API for which the test has no route."""


@dataclass
class Grant:
    """The grant of a user at a fake provider: first a code has it, and then its tokens."""

    scope: str = ""
    account: str = ""
    client_id: str = ""
    redirect_uri: str = ""
    challenge: str = ""
    nonce: str = ""
    #: The tokens that are in force.
    access_tokens: set[str] = field(default_factory=set)
    refresh_tokens: set[str] = field(default_factory=set)
    ended: bool = False


class FakeProvider(Behaviour, Assertions):
    """A provider that answers as its facts say. :func:`fake_provider` creates one.

    Each of its secrets begins with :attr:`secret_prefix`, so that a test can search a log or a page
    for it.

    :param name: the name of the provider in ``DANCE_PROVIDERS``.
    :param entry: its entry there.
    """

    client_id = "fake-client"
    #: The beginning of each secret: the client secret, codes and tokens.
    secret_prefix = "fake-secret-"
    #: The account of the visitor: its id, and its name for people.
    account = "248289761001"
    label = "ada"
    #: The workspace of the visitor, if the facts name one.
    workspace = "1"
    #: The lifetime of access tokens, in seconds; ``None``: they do not expire.
    expires_in: int | None = 3600
    #: Whether the provider grants refresh tokens, if its facts do not say that it has none.
    refreshable = True

    def __init__(self, name: str, entry: Mapping[str, Any], *, served: bool = False) -> None:
        from ..providers.registry import provider_class

        options = {key.lower(): value for key, value in entry.items() if key != "PROVIDER"}
        super().__init__()
        self.name, self.options, self.served = name, options, served
        self.preset: type[Provider] = provider_class(name, entry.get("PROVIDER"))
        #: The facts, with the addresses of the real provider.
        self.facts: Any = self.preset(name, **{**options, **self.credentials()}).current()
        #: Further fields of each token that is granted, and of the account.
        self.token_fields: dict[str, Any] = {}
        self.account_fields: dict[str, Any] = {}
        #: The requests that the site has sent, in order.
        self.received: list[Received] = []
        self.grants: list[Grant] = []
        #: The address of this machine, if the provider is served.
        self.url = ""
        self._callback_refusal = ""
        self._count = count(1)
        self._stack = ExitStack()

    # --- the site's side ----------------------------------------------------------------------

    @property
    def client_secret(self) -> str:
        """The client secret of the site."""
        return f"{self.secret_prefix}client"

    def credentials(self) -> dict[str, Any]:
        """Return the options with the site's credentials."""
        return {"client_id": self.client_id, "client_secret": self.client_secret}

    def is_own_client(self, client_id: object) -> bool:
        """Return whether the site may have this client id.

        If the site's class has credentials of its own, such as one client for each tenant, it may
        have any.
        """
        chosen = self.preset.get_client_credentials is not Provider.get_client_credentials
        return client_id == self.client_id or bool(chosen and client_id)

    def entry(self) -> dict[str, Any]:
        """Return the entry for ``DANCE_PROVIDERS``, with the credentials of this fake provider.

        If the provider is served, the addresses are those of this machine.
        """
        options = {**self.options, **self.credentials(), "credentials": self.preset.credentials}
        if self.url:
            options |= {
                name: self.local(url)
                for name in (*self.preset._facts_with("url"), "account_url")
                if name in self.preset.options()
                and isinstance(url := getattr(self.facts, name), str)
                and "://" in url
            }
            options["api_origins"] = [self.url]
        # The settings with the credentials of a real registration must not be used here.
        unset = {name: f"FAKE_{name.upper()}" for name in self.credentials()}
        from_config = {**(self.preset.from_config or {}), **options.pop("from_config", {}), **unset}
        entry = {name.upper(): value for name, value in options.items()}
        return {**entry, "PROVIDER": self.preset, "FROM_CONFIG": from_config}

    def local(self, url: str) -> str:
        """Return the address where this fake provider answers for an address of the real one.

        If the provider is served, the path begins with the host of the real one.
        """
        if not self.url:
            return url
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return f"{self.url}/{parts.netloc}{parts.path}{query}".replace("{", "{{").replace("}", "}}")

    def remote(self, url: str) -> str:
        """Return the address of the real provider for an address of this fake one."""
        if not self.url or not url.startswith((self.url, "/")):
            return url
        return f"https://{url.removeprefix(self.url).lstrip('/')}"

    def hosts(self) -> set[str]:
        """Return the hosts of the real provider."""
        urls = [
            getattr(self.facts, name, None)
            for name in (*self.preset._facts_with("url"), "base_url")
        ]
        urls += [*self.facts.api_origins, self.facts.account_url]
        named = {urlsplit(url).netloc for url in urls if isinstance(url, str)}
        return {host for host in (*named, *self.facts.hosts) if host}

    def claims(self, url: str) -> bool:
        """Return whether this fake provider answers requests to an address."""
        host = urlsplit(url).netloc
        domains = tuple(f".{domain}" for domain in self.facts.base_url_domains)
        return host in self.hosts() or bool(domains and f".{host}".endswith(domains))

    def __enter__(self) -> Self:
        from ..providers import discovery
        from .interception import intercept
        from .served import serve
        from .settings import override_providers

        with ExitStack() as stack:
            discovery.forget()
            stack.callback(discovery.forget)
            if self.served:
                stack.enter_context(serve(self))
            else:
                stack.enter_context(intercept(self))
            stack.enter_context(override_providers(**{self.name: self.entry()}))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    # --- the user's side ---------------------------------------------------------------------

    def end_grants(self, account: str = "") -> None:
        """End the grants, as a user does at the provider: none of their tokens is valid any more.

        :param account: the id of one account; default: all accounts.
        """
        for grant in self.grants:
            if account in ("", grant.account):
                grant.ended = True

    def expire_access_tokens(self) -> None:
        """Make all access tokens invalid. The site does not know it, and can refresh them."""
        for grant in self.grants:
            grant.access_tokens.clear()

    def rotate_refresh_tokens(self) -> None:
        """Replace all refresh tokens by new ones, as if another program had used them."""
        for grant in self.grants:
            grant.refresh_tokens.clear()

    def refuse_visitor(self, meaning: str = "cancelled") -> None:
        """Send the next visitor back with an error."""
        self._callback_refusal = self.word(meaning)

    def word(self, meaning: str) -> str:
        """Return the provider's own word with this meaning."""
        raise NotImplementedError

    # --- answers ------------------------------------------------------------------------------

    def answer(self, received: Received) -> Answer:
        """Return the right answer to a request.

        :param received: the request, to the address of the real provider.
        """
        raise NotImplementedError

    def issue(self, fields: Mapping[str, Any], **grant: Any) -> dict[str, Any]:
        """Grant a token without a dance, and return its fields.

        :param fields: the fields that the test has chosen.
        :param grant: the scope and the account.
        """
        raise NotImplementedError

    def visit(self, url: str) -> str:
        """Consent at the authorization page, or refuse; return the address of the callback."""
        raise NotImplementedError

    def dance(self, client: Client, *, next: str = "", login_url: str = "") -> Any:
        """Follow the dance of a visitor to its end, and return the answer of the site.

        :param client: the browser of the visitor.
        :param next: the path of the site where the dance ends.
        :param login_url: the link that begins the dance, such as ``session.login_url``; default:
            the login view.
        """
        from .dances import run_dance

        query = {"next": next} if next else {}
        return run_dance(self, client, login_url or self.facts.url("login", **query))

    def _secret(self, kind: str) -> str:
        return f"{self.secret_prefix}{kind}-{next(self._count)}"

    def _answer_call(self, received: Received, account: str) -> Answer:
        """Answer a call of the API with a valid token."""
        routed = self._route_answer(received)
        if routed is not None:
            return routed
        if self.place_of(received) == "account":
            return make_answer(self.account_body(account))
        here = received.path
        raise UnexpectedCall(
            f"The site called {received.method} {received.url}, and the test has no route for it. "
            f'Add it before the call: route("{received.method}", "{here}", {{…}}).'
        )

    def account_body(self, account: str) -> Any:
        """Return the answer to the request for an account."""
        fields: dict[str, Any] = {"sub": self.user_of(account), **deepcopy(self.account_fields)}
        found = [fields] if self.facts.account_id.startswith("0.") else fields
        named = {self.facts.account_label: self.label, **self.named_account(account)}
        for name, value in named.items():
            if name and name != "sub":
                put(found, name, value)
        return found

    @property
    def account_id(self) -> str:
        """The id of the account, as the site stores it."""
        return ":".join(self.named_account(self.account).values()) or self.account

    def user_of(self, account: str) -> str:
        """Return the id of an account without its workspace."""
        return account.rpartition(":")[2] if self.facts.account_workspace else account

    def named_account(self, account: str) -> dict[str, str]:
        """Return the fields that name an account: those of the workspace and of the user."""
        workspace = account.removesuffix(self.user_of(account)).removesuffix(":")
        named = {
            self.facts.account_workspace: workspace or self.workspace,
            self.facts.account_id: self.user_of(account),
        }
        return {field: value for field, value in named.items() if field}


def put(fields: dict[str, Any] | list[Any], path: str, value: Any) -> None:
    """Put a value at a path such as ``data.0.id``."""
    names: Sequence[str] = path.split(".")
    inner: Any = fields
    for name, following in zip(names, [*names[1:], ""], strict=True):
        missing: Any = value if not following else ([] if following.isdigit() else {})
        if isinstance(inner, list):
            if len(inner) <= int(name):
                inner.append(missing)
            inner = inner[int(name)]
        elif not following:
            inner[name] = value
        else:
            inner = inner.setdefault(name, missing)
