"""The page where users see, repair and end their connections, and the same as a JSON API."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings as django_settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.core.paginator import Paginator
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import resolve_url
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_protect, ensure_csrf_cookie
from django.views.generic import View

from .decorators import oauth_of, session_for
from .exceptions import FlowError, PlaceError
from .flows import safe_next
from .providers import providers
from .responses import CONNECTIONS, page, protect, tell_not_revoked
from .tokens import ResourceOwner

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

    from .providers import Provider
    from .sessions import DanceSession
    from .tokens import Connection

#: The namespace of the URLs.
NAMESPACE = CONNECTIONS.partition(":")[0]
#: The number of connections on one page.
PER_PAGE = 20
#: Reason → the words for the user. ``name`` is the provider's label.
_REASONS = {
    "revoked": _("%(name)s says that the permission was withdrawn."),
    "expired": _("The permission has expired."),
    "refused": _("%(name)s does not renew the permission."),
    "scopes": _("%(name)s did not grant all the permissions that this site needs."),
    "unreadable": _("This site cannot read the stored permission any more."),
    "rejected": _("%(name)s does not accept the permission any more."),
    "issuer_changed": _("%(name)s has another login server now."),
}
_OTHER_REASON = _("This site cannot act for you at %(name)s any more.")


@dataclass(frozen=True)
class ScopeInWords:
    """A scope, and its words for the user; without words, the scope itself."""

    name: str
    words: str

    @property
    def has_words(self) -> bool:
        """Whether there are words for the scope."""
        return self.words != self.name


class ConnectionEntry:
    """A connection as the page shows it.

    :ivar provider: the provider.
    :ivar connection: the connection, which has no secret.
    :ivar is_only: whether it is the user's only connection to the provider, or to the place.
    :ivar has_unique_name: whether no other account of the user there has the same name.
    """

    def __init__(
        self,
        request: HttpRequest,
        provider: Provider,
        connection: Connection,
        back: str,
        *,
        is_only: bool,
        has_unique_name: bool,
    ) -> None:
        self.provider = provider
        self.connection = connection
        self.is_only = is_only
        self.has_unique_name = has_unique_name
        self._request = request
        self._back = back

    @property
    def session(self) -> DanceSession:
        """The user's session for this account."""
        if self.connection.place:
            # PLACES may not allow the place any more.
            session = self.provider.session(self._request)
        else:
            session = session_for(self._request, self.provider.name)
        return session.account(self.connection.account)

    @property
    def key(self) -> str:
        """The name of the connection in URLs, among those of the user to the provider."""
        if self.connection.id is not None:
            return str(self.connection.id)
        place = self.connection.place
        return f"-{hashlib.sha256(place.encode()).hexdigest()[:16]}" if place else "-"

    @property
    def is_allowed(self) -> bool:
        """Whether ``PLACES`` allows the place of the connection."""
        return self.provider.is_allowed_for(self._request)

    @property
    def label(self) -> str:
        """The name of the account for people; empty if it is not known."""
        label, account = self.connection.label, self.connection.account
        if not label or not account or self.has_unique_name:
            return label or account
        return f"{label} ({account})"

    @property
    def scopes(self) -> list[ScopeInWords]:
        """The granted scopes in words, in alphabetical order."""
        describe = self.provider.describe_scope
        return [ScopeInWords(name, describe(name)) for name in sorted(self.connection.scopes or ())]

    @property
    def reason_words(self) -> str:
        """The words for the reason why the account must be connected again; empty if it is not."""
        if self.connection.active:
            return ""
        words = _REASONS.get(self.connection.reason, _OTHER_REASON)
        return str(words) % {"name": self.provider.label}

    @property
    def is_named(self) -> bool:
        """Whether a session can name this connection: ``""`` names the default account."""
        return bool(self.connection.account) or self.connection.is_default

    @property
    def can_become_default(self) -> bool:
        """Whether the page offers to make this account the default one."""
        connection, session = self.connection, self.session
        return (
            connection.active
            and not connection.is_default
            and bool(connection.account)
            and session.storage.keeps_default(session.owner)
        )

    @property
    def can_sign_in(self) -> bool:
        """Whether the user may choose to sign in with this account, or does so."""
        return self.connection.may_sign_in or (
            self.provider.sign_in
            and self.connection.active
            and bool(self.connection.account)
            and self.provider.token_storage.is_personal(self.session.owner)
        )

    @property
    def reconnect_url(self) -> str:
        """The login link for this account."""
        return self.session.get_login_url(next=self._back)

    @property
    def disconnect_url(self) -> str:
        """The page that asks whether to disconnect."""
        return self._url("disconnect")

    @property
    def default_url(self) -> str:
        """The address of the form that makes the account the default one."""
        return self._url("default")

    @property
    def sign_in_url(self) -> str:
        """The address of the form that allows sign-in with the account, or ends it."""
        return self._url("sign_in")

    def _url(self, view: str) -> str:
        url = reverse(f"{NAMESPACE}:{view}", args=(self.provider.name, self.key))
        return f"{url}?{urlencode({'next': self._back})}"


class ProviderSection:
    """A provider on the page, with the entries of its connections.

    :ivar provider: the provider.
    :ivar entries: the entries of its connections.
    """

    def __init__(
        self, request: HttpRequest, provider: Provider, entries: list[ConnectionEntry], back: str
    ) -> None:
        self.provider = provider
        self.entries = entries
        self._request = request
        self._back = back

    @cached_property
    def connect_url(self) -> str | None:
        """The login link for a new account; ``None`` if the user cannot have one more."""
        provider = self.provider
        if provider.missing_credentials():
            return None
        session = session_for(self._request, provider.name)
        if not self.entries or provider.needs_place:
            return session.get_login_url(next=self._back, account="")
        if not provider.account_id or not session.storage.keeps_accounts(session.owner):
            return None
        # Otherwise many providers use the account that is logged in there.
        choose = "select_account" if getattr(provider, "choose_account_params", None) else ""
        return session.get_login_url(next=self._back, account="", prompt=choose)


class UserConnections:
    """The connections of the user of a request, as the page shows them.

    :param back: the path of this site to which dances and forms return.
    """

    def __init__(self, request: HttpRequest, back: str) -> None:
        self._request = request
        self._back = back

    @cached_property
    def providers(self) -> dict[str, Provider]:
        """The providers that the page lists, by name."""
        listed = {}
        for name in providers:
            try:
                provider = providers[name].current()
                if self._is_listed(provider):
                    listed[name] = provider
            except ImproperlyConfigured:
                continue  # a system check reports the mistake
        return listed

    def _is_listed(self, provider: Provider) -> bool:
        if provider.listed is not None:
            return provider.listed
        return provider.token_storage.is_personal(ResourceOwner(provider, self._request))

    @cached_property
    def entries(self) -> list[ConnectionEntry]:
        """The entries of all connections to these providers, in the order of the settings."""
        if not self.providers:
            return []
        found = oauth_of(self._request).connections(*self.providers)
        counts = Counter((each.provider, each.place) for each in found)
        names = Counter((each.provider, each.place, each.label) for each in found)
        return [
            ConnectionEntry(
                self._request,
                self.providers[each.provider].variant(each.place),
                each,
                self._back,
                is_only=counts[each.provider, each.place] == 1,
                has_unique_name=names[each.provider, each.place, each.label] == 1,
            )
            for each in found
        ]

    def sections(self, entries: Iterable[ConnectionEntry]) -> list[ProviderSection]:
        """Group the entries by provider."""
        return [
            ProviderSection(self._request, self.providers[name], list(group), self._back)
            for name, group in groupby(entries, key=lambda entry: entry.provider.name)
        ]

    @cached_property
    def unconnected(self) -> list[ProviderSection]:
        """The providers to which the user has no connection, and can connect."""
        connected = {entry.provider.name for entry in self.entries}
        sections = [
            ProviderSection(self._request, provider, [], self._back)
            for name, provider in self.providers.items()
            if name not in connected
        ]
        return [section for section in sections if section.connect_url]

    def find(self, provider: str, key: str) -> ConnectionEntry:
        """Return the entry of one connection.

        :raises Http404: the user has no such connection. Another user may have it.
        """
        for entry in self.entries:
            if (entry.provider.name, entry.key) == (provider, key) and entry.is_named:
                return entry
        raise Http404("You have no such connection.")


# --- the pages ------------------------------------------------------------------------------------


@method_decorator(csrf_protect, name="dispatch")
class ConnectionsView(View):
    """A page of the connections of the logged-in user."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return protect(self.refuse_anonymous(request))
        response = super().dispatch(request, *args, **kwargs)
        return response if "Cache-Control" in response else protect(response)

    def refuse_anonymous(self, request: HttpRequest) -> HttpResponse:
        """Redirect the visitor to the login of the site."""
        from django.contrib.auth.views import redirect_to_login

        # After the login the browser cannot repeat the form.
        back = request.get_full_path() if request.method == "GET" else list_url()
        return redirect_to_login(back)

    @property
    def back_url(self) -> str:
        """The page where a form returns: its ``next``, or else the list."""
        params = self.request.POST if self.request.method == "POST" else self.request.GET
        asked = params.get("next") or self.request.GET.get("next")
        return safe_next(self.request, asked) or list_url()

    def find(self) -> ConnectionEntry:
        """Return the entry that the URL names.

        :raises Http404: the user has no such connection.
        """
        return UserConnections(self.request, self.back_url).find(**self.kwargs)


class ConnectionListView(ConnectionsView):
    """The list of the user's connections."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        found = UserConnections(request, request.get_full_path())
        shown = Paginator(found.entries, PER_PAGE).get_page(request.GET.get("page"))
        context = {
            "page": shown,
            "sections": found.sections(shown.object_list),
            "unconnected": found.unconnected,
            "back": request.get_full_path(),
        }
        return page(request, "connections.html", context)


class ConnectionFormView(ConnectionsView):
    """A form about one connection."""

    http_method_names = ["get", "post", "head", "options"]

    def get(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        # A login before the form was sent returns here.
        return HttpResponseRedirect(list_url())

    def done(self, entry: ConnectionEntry, text: StrPromise) -> HttpResponse:
        """Say what was done, and return to the page with the form.

        :param text: the sentence; it may name the ``account`` and the ``name`` of the provider.
        """
        names = {"account": entry.label, "name": entry.provider.label}
        messages.success(self.request, str(text) % names, fail_silently=True)
        return HttpResponseRedirect(self.back_url)


class DisconnectConnectionView(ConnectionFormView):
    """Asks whether to disconnect an account, and disconnects it."""

    def get(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        entry = self.find()
        context = {
            "provider": entry.provider,
            "entry": entry,
            "back": self.back_url,
            "is_only_way_in": _is_only_way_in(entry, request),
        }
        return page(request, "disconnect.html", context)

    def post(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        entry = self.find()
        if not entry.session.disconnect():
            tell_not_revoked(request, entry.provider)
        if entry.label:
            return self.done(entry, _("%(account)s at %(name)s is disconnected."))
        return self.done(entry, _("%(name)s is disconnected."))


def _is_only_way_in(entry: ConnectionEntry, request: HttpRequest) -> bool:
    """Whether the user has no password, and signs in with no other account."""
    user: Any = request.user
    if not _signs_in(entry.connection) or user.has_usable_password():
        return False
    return sum(map(_signs_in, oauth_of(request).connections())) == 1


def _signs_in(connection: Connection) -> bool:
    """Whether the user signs in with the account of a connection now."""
    return connection.may_sign_in and providers[connection.provider].sign_in


class DefaultConnectionView(ConnectionFormView):
    """Makes an account the user's default account at its provider."""

    def post(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        entry = self.find()
        if not entry.session.make_default():
            raise Http404
        return self.done(entry, _("%(account)s is your default account at %(name)s now."))


class SignInConnectionView(ConnectionFormView):
    """Lets the user sign in with an account from now on, or ends that."""

    def post(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        entry = self.find()
        try:
            allowed = _change_sign_in(entry, request)
        except FlowError as error:
            return self.refuse(entry, error)
        if allowed:
            return self.done(entry, _("You can sign in with %(account)s at %(name)s now."))
        return self.done(entry, _("You cannot sign in with %(account)s at %(name)s any more."))

    def refuse(self, entry: ConnectionEntry, error: FlowError) -> HttpResponse:
        """Say why the account cannot be used for sign-in."""
        context = {
            "provider": entry.provider,
            "entry": entry,
            "code": error.code,
            "login_url": entry.reconnect_url,
            "back_url": list_url(),
        }
        if error.code == "login_too_old":
            query = urlencode({"next": list_url()})
            context["login_url"] = f"{resolve_url(django_settings.LOGIN_URL)}?{query}"
            return page(self.request, "log_in_again.html", context, status=403)
        return page(self.request, "error.html", context, status=403)


def _change_sign_in(entry: ConnectionEntry, request: HttpRequest) -> bool:
    """Allow sign-in with an account, or end it; return whether it is allowed now.

    :raises FlowError: it cannot be allowed.
    """
    allowed = request.POST.get("allowed") != "0"
    if allowed:
        entry.session.allow_sign_in()
    else:
        entry.session.forbid_sign_in()
    return allowed


# --- the JSON API ---------------------------------------------------------------------------------


@method_decorator(login_not_required, name="dispatch")
class ConnectionsApiView(ConnectionsView):
    """A view of the JSON API. It answers an anonymous visitor with ``401`` and JSON."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except Http404:
            return protect(JsonResponse({"error": "not_found"}, status=404))

    def refuse_anonymous(self, request: HttpRequest) -> HttpResponse:
        # RFC 9110 §15.5.2 requires a challenge. Browsers open no dialog for this scheme.
        challenge = {"WWW-Authenticate": 'Session realm="connections"'}
        return JsonResponse({"error": "login_required"}, status=401, headers=challenge)


@method_decorator(ensure_csrf_cookie, name="dispatch")
class ConnectionListApiView(ConnectionsApiView):
    """Lists the user's connections, and the providers to which the user can connect."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        found = UserConnections(request, self.back_url)
        shown = Paginator(found.entries, PER_PAGE).get_page(request.GET.get("page"))
        sections = [*found.sections(found.entries), *found.unconnected]
        return JsonResponse(
            {
                "connections": [_fields_of(entry) for entry in shown.object_list],
                "providers": [
                    {
                        "name": section.provider.name,
                        "label": section.provider.label,
                        "connect_url": section.connect_url,
                        "needs_place": section.provider.needs_place,
                    }
                    for section in sections
                ],
                "page": shown.number,
                "pages": shown.paginator.num_pages,
                "count": shown.paginator.count,
            }
        )


class DisconnectApiView(ConnectionsApiView):
    """Disconnects an account."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        if self.find().session.disconnect():
            return HttpResponse(status=204)
        return JsonResponse({"revoked": False})


class DefaultApiView(ConnectionsApiView):
    """Makes an account the user's default account at its provider."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        if not self.find().session.make_default():
            raise Http404
        return HttpResponse(status=204)


class SignInApiView(ConnectionsApiView):
    """Lets the user sign in with an account from now on, or ends that."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        try:
            _change_sign_in(self.find(), request)
        except FlowError as error:
            return JsonResponse({"error": error.code}, status=403)
        return HttpResponse(status=204)


class LoginUrlApiView(ConnectionsApiView):
    """Returns the login link of a provider, for any account or for one that is connected."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, provider: str) -> HttpResponse:
        found = UserConnections(request, self.back_url)
        if provider not in found.providers:
            raise Http404
        session = session_for(request, provider)
        if place := request.GET.get("place"):
            try:
                session = session.at(place)
            except PlaceError as error:
                return JsonResponse({"error": error.code}, status=400)
            except ImproperlyConfigured:  # users cannot choose a server of this provider
                return JsonResponse({"error": "place_refused"}, status=400)
        if (key := request.GET.get("connection")) is not None:
            session = found.find(provider, key).session
        url = session.get_login_url(next=self.back_url, scope=request.GET.get("scope", ""))
        return JsonResponse({"login_url": url})


def _fields_of(entry: ConnectionEntry) -> dict[str, Any]:
    """The members of a connection in the JSON API."""
    connection = entry.connection
    return {
        "provider": entry.provider.name,
        "provider_label": entry.provider.label,
        "place": connection.place,
        "id": entry.key,
        "account": connection.account,
        "label": entry.label,
        "scopes": [{"name": scope.name, "words": scope.words} for scope in entry.scopes],
        "connected_at": connection.connected_at,
        "state": connection.state,
        "reason": connection.reason,
        "reason_words": entry.reason_words,
        "changed_at": connection.changed_at,
        "is_default": connection.is_default,
        "may_sign_in": connection.may_sign_in,
        "login_url": entry.reconnect_url,
    }


def list_url() -> str:
    """Return the path of the page of connections.

    :raises NoReverseMatch: the URLconf does not include ``django_dance.urls``.
    """
    return reverse(CONNECTIONS)


#: The routes. The first part of each is a fixed word, so no name of a provider can hide a route.
urlpatterns = [
    path("", ConnectionListView.as_view(), name="list"),
    path(
        "disconnect/<slug:provider>/<str:key>/",
        DisconnectConnectionView.as_view(),
        name="disconnect",
    ),
    path("default/<slug:provider>/<str:key>/", DefaultConnectionView.as_view(), name="default"),
    path("sign-in/<slug:provider>/<str:key>/", SignInConnectionView.as_view(), name="sign_in"),
    path("api/", ConnectionListApiView.as_view(), name="api_list"),
    path("api/login/<slug:provider>/", LoginUrlApiView.as_view(), name="api_login"),
    path(
        "api/disconnect/<slug:provider>/<str:key>/",
        DisconnectApiView.as_view(),
        name="api_disconnect",
    ),
    path("api/default/<slug:provider>/<str:key>/", DefaultApiView.as_view(), name="api_default"),
    path("api/sign-in/<slug:provider>/<str:key>/", SignInApiView.as_view(), name="api_sign_in"),
]
