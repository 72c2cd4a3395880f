"""The views of the dance. They translate between HTTP and the rooms, and decide nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.contrib.auth import get_permission_codename
from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.core.exceptions import ImproperlyConfigured
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    QueryDict,
)
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.generic import View

from .cache import note_provider_error
from .conf import settings
from .connections import allow_after_dance, sign_in_visitor, store_connection
from .exceptions import (
    DanceError,
    FlowError,
    PlaceError,
    ProviderError,
    StorageError,
    failure_fields,
)
from .flows import (
    PARAMETER,
    Additions,
    Flow,
    delete_flow_cookie,
    has_room,
    has_session_cookie,
    mark_used,
    read_flow,
    redirect_with_fields,
    restore_fields,
    safe_next,
    set_flow_cookie,
    user_key,
)
from .http import origin
from .providers import providers
from .responses import CONFIRM, page, protect, tell_not_revoked
from .signals import oauth_authorized, oauth_before_login, oauth_error
from .telemetry import Observation
from .tokens import ResourceOwner, Secret, Token

if TYPE_CHECKING:
    from .providers import Provider
    from .sessions import DanceSession

logger = logging.getLogger("django_dance")

#: The parameters of the callback that are removed from the request.
_SECRET_PARAMS = (
    "code",
    "state",
    "oauth_token",
    "oauth_verifier",
    "denied",
    "access_token",
    "id_token",
)
#: The field of the login form with the place that a visitor has typed.
PLACE = "place"
#: The parameters of a login link.
_FIELDS = frozenset({"next", PARAMETER, PLACE})
#: Marks a login that was redirected to the host of ``DANCE_BASE_URL``. If the request seems to come
#: to another host again, a proxy hides the public host.
_AT_BASE_HOST = "dance_at_base"
#: Marks a callback that was sent again, so that the browser adds its session cookie.
_BOUNCED = "dance_bounced"
#: The errors in a place that a visitor has named. They say nothing about the provider.
_WRONG_PLACES = frozenset({"place_invalid", "place_refused"})
_FORBIDDEN = frozenset(
    {
        "access_denied",
        "account_taken",
        "disconnect_refused",
        "login_too_old",
        "sign_in_impossible",
        "sign_in_refused",
        "sign_in_unknown",
        "user_inactive",
        "user_mismatch",
        "user_required",
    }
)


@method_decorator(login_not_required, name="dispatch")
class DanceView(View):
    """A view of one provider."""

    provider: Any = None

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        made: Provider = type(self).provider or self.provider
        # The settings may have changed since the URLs were loaded.
        self.provider = providers.get(made.name, made).current()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.flow: Flow | None = None
        self.place = ""
        with Observation("dance", self.provider) as self.observed:
            try:
                response = super().dispatch(request, *args, **kwargs)
            except (FlowError, ProviderError, StorageError) as error:
                response = self.refuse(request, error)
        return response if "Cache-Control" in response else protect(response)

    def refuse(self, request: HttpRequest, exception: DanceError) -> HttpResponseBase:
        """Report an error: a log line, a signal, and a receiver's response or an error page."""
        code = str(getattr(exception, "code", "provider_error"))
        if isinstance(exception, ProviderError) and (
            self.provider.meaning_of(exception) == "cancelled"
        ):
            code = "access_denied"
        elif isinstance(exception, ProviderError) and code not in _WRONG_PLACES:
            note_provider_error(self.provider.name, exception)
        self.observed.fail(code)
        logger.warning(
            "%s: dance refused, %s",
            self.provider.name,
            exception,
            extra=failure_fields(exception, provider=self.provider.name, code=code),
        )
        error: dict[str, Any] = {
            name: getattr(exception, name, None)
            for name in ("error", "error_description", "error_uri")
        }
        received = oauth_error.send(
            type(self.provider),
            provider=self.provider,
            request=request,
            owner=ResourceOwner(self.provider, request),
            code=code,
            response=None,
            exception=exception,
            **error,
        )
        for _, response in received:
            if isinstance(response, HttpResponseBase):
                return protect(response)
        context = {
            "provider": self.provider,
            "code": code,
            # The flow's `next` often requires the token, and would lead back to the provider.
            "back_url": self.provider.after_url(),
            "login_url": self.again_url(request),
            **error,
        }
        return page(request, "error.html", context, status=403 if code in _FORBIDDEN else 400)

    def again_url(self, request: HttpRequest) -> str:
        """Return the address that begins the same dance again."""
        if self.flow is None:
            return str(self.provider.url("login"))
        query = {"next": self.flow.next}
        if self.flow.additions:
            query[PARAMETER] = self.flow.additions.sign(self.provider.name, user_key(request) or "")
        return str(self.provider.url("login", **query))


@method_decorator(csrf_protect, name="dispatch")
class LoginView(DanceView):
    """The first step: redirects the visitor to the provider."""

    http_method_names = ["get", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        if _is_prefetch(request):
            # A prefetch is not a visit. Browsers do not store this answer.
            return protect(HttpResponse(status=204))
        if "HX-Request" in request.headers:
            # htmx follows a redirect itself. The browser must open the address.
            return protect(HttpResponse(headers={"HX-Redirect": request.get_full_path()}))
        if not _is_visit(request):
            return _refuse_script()
        base = _base_host(request)
        if base is not None and _AT_BASE_HOST not in request.GET:
            # Flows are bound to one host, and the provider sends the visitor back to the base URL.
            separator = "&" if request.GET else "?"
            here = f"{request.get_full_path()}{separator}{_AT_BASE_HOST}=1"
            return protect(HttpResponseRedirect(base + here))
        signed = self.signed_place(request)
        provider = self.provider_at(request, signed or request.GET.get(PLACE, ""))
        if provider is None:
            self.additions(request, request.GET)  # it refuses a link for another user
        if (
            not settings.login_on_get
            or CONFIRM in request.GET
            or request.headers.get("Sec-Fetch-Site") == "cross-site"
            or not has_room(request)
            # A stranger may have chosen the place in the link.
            or provider is None
            or provider.place != signed
        ):
            return self.ask(request, provider)
        return self.begin(request, request.GET)

    def ask(self, request: HttpRequest, provider: Provider | None) -> HttpResponse:
        """Let the visitor begin the dance with a button, which names the place.

        :param provider: the provider at the place; ``None`` lets the visitor type a place.
        """
        names = sorted(_FIELDS if provider is not None else _FIELDS - {PLACE, PARAMETER})
        fields = {name: request.GET.get(name) for name in names}
        context = {
            "provider": provider or self.provider,
            "fields": {name: value for name, value in fields.items() if value is not None},
        }
        if provider is not None:
            return page(request, "login.html", context)
        context |= {"field": PLACE, "example": self.provider.place_kind.example}
        return page(request, "place.html", context)

    def signed_place(self, request: HttpRequest) -> str:
        """Return the place that we have signed in the link; ``""`` without one."""
        try:
            return self.additions(request, request.GET).place
        except FlowError:
            return ""  # begin() refuses the link

    def provider_at(self, request: HttpRequest, place: str) -> Provider | None:
        """Return the provider at a place; ``None`` if the visitor has to name a place first.

        :raises PlaceError: the place is not valid, or not allowed.
        """
        if not place:
            return None if self.provider.needs_place else self.provider
        try:
            return self.provider.at(place, request)  # type: ignore[no-any-return]
        except ImproperlyConfigured as error:
            # Visitors cannot choose a server of this provider. Any visitor can name one.
            raise PlaceError(str(error), "place_refused") from error

    def post(self, request: HttpRequest) -> HttpResponse:
        if "HX-Request" not in request.headers and not _is_visit(request):
            return _refuse_script()
        base, sent_from = _base_host(request), origin(request.headers.get("Origin", ""))
        if base is not None and sent_from not in (None, origin(base)):
            raise FlowError(
                "wrong_host",
                f"the login was begun at {request.get_host()}, and the provider sends the visitor "
                f"back to {base}; redirect visitors to that host, or correct DANCE_BASE_URL",
            )
        return self.begin(request, request.POST if _FIELDS & request.POST.keys() else request.GET)

    def begin(self, request: HttpRequest, params: QueryDict) -> HttpResponse:
        """Begin the dance that a login link asks for, and redirect to the provider."""
        asked = params.getlist("next")
        next_url = safe_next(request, asked[0]) if len(asked) == 1 else None
        additions = self.additions(request, params)
        provider = self.provider_at(request, additions.place or params.get(PLACE, "").strip())
        if provider is None:
            return self.ask(request, None)
        self.provider, additions = provider, replace(additions, place=provider.place)
        _refuse_inactive(request)
        scope = self.provider.requested_scope(request, additions)
        self.provider = self.provider.prepare(request, scope)
        # A server may name the scopes that it needs.
        scope = self.provider.requested_scope(request, additions)
        flow = Flow.begin(
            request,
            self.provider.name,
            next_url or self.provider.after_url(),
            scope,
            additions,
            self.provider.configuration_digest(scope),
            self.provider.server,
        )
        url, flow = self.provider.begin(request, flow)
        oauth_before_login.send(
            type(self.provider),
            provider=self.provider,
            request=request,
            owner=ResourceOwner(self.provider, request),
            url=url,
        )
        response: HttpResponse
        if "HX-Request" in request.headers:
            response = protect(HttpResponse(headers={"HX-Redirect": url}))
        elif request.method == "POST":
            # A redirect of a form to another site is blocked by the policy `form-action 'self'`.
            context = {
                "provider": self.provider,
                "url": Secret(url),
                "server": urlsplit(url).hostname,
            }
            response = protect(page(request, "continue.html", context))
        else:
            response = protect(HttpResponseRedirect(url))
        set_flow_cookie(flow, request, response)
        self.observed.outcome = "begun"
        return response

    def additions(self, request: HttpRequest, params: QueryDict) -> Additions:
        """Return the link's additions. If it asks for scopes, the granted ones are kept, too."""
        if not params.keys() & {PARAMETER, "scope"}:
            return Additions()
        try:
            # A link with `scope` was written by hand.
            signed = str(params.get(PARAMETER, ""))
            added = Additions.unsign(self.provider.name, user_key(request) or "", signed)
        except (signing.BadSignature, ValueError):
            raise FlowError(
                "scope_invalid",
                "the login link was not signed by us for this visitor, or is more than a day old",
            ) from None
        if added.scope:
            scope = self.provider.additional_scope(added.scope)
            added = replace(added, scope=scope, keep_granted=True)
        if not added.fit:
            raise FlowError(
                "flow_too_large",
                "the login link asks for more than the flow's cookie can store: name most of the "
                f"scopes in SCOPE of DANCE_PROVIDERS[{self.provider.name!r}]",
            )
        return added


@method_decorator(csrf_exempt, name="dispatch")
class AuthorizedView(DanceView):
    """The second step, the callback: the provider sends the visitor back."""

    http_method_names = ["get", "post"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if not self.accepts_forms:
            return HttpResponseNotAllowed(["GET"])
        return protect(HttpResponseRedirect(redirect_with_fields(request, self.provider.name)))

    @property
    def accepts_forms(self) -> bool:
        """Whether the provider sends the callback as a form."""
        return getattr(self.provider, "response_mode", "query") == "form_post"

    def get(self, request: HttpRequest) -> HttpResponseBase:
        here = Secret(request.get_full_path())
        bounced = _BOUNCED in request.GET
        if self.accepts_forms:
            fields = restore_fields(request, self.provider.name)
            if fields is None:
                return HttpResponseNotAllowed(["POST"])
            request.GET = fields  # type: ignore[assignment]
        params = _take_params(request)
        flow = read_flow(request, self.provider.callback_state(params))
        if flow.provider != self.provider.name:
            raise FlowError("provider_mismatch", "the flow was begun with another provider")
        place = flow.additions.place
        try:
            # A visitor can move the flow to a host of another tenant, whose PLACES may differ.
            at_place = self.provider.at(place, request) if place else self.provider
        except ImproperlyConfigured as error:
            raise FlowError("provider_mismatch", "the provider has no places any more") from error
        self.provider = at_place.with_server(flow.server)
        if not -60 <= flow.age <= settings.flow_age:
            raise FlowError("flow_expired", f"the flow was begun {int(flow.age)} seconds ago")
        if _lost_its_session(request, flow) and not bounced:
            context = {"provider": self.provider, "url": Secret(f"{here}&{_BOUNCED}=1")}
            return protect(page(request, "bounce.html", context))
        if user_key(request) != (flow.user or None):
            raise FlowError(
                "user_mismatch", "the flow was begun by another user, or before a logout"
            )
        _refuse_inactive(request)
        scope = self.provider.requested_scope(request, flow.additions)
        digest = self.provider.configuration_digest(scope)
        self.flow = flow = flow.with_configuration(scope, digest)
        self.provider.check_callback(flow, params)
        mark_used(flow)
        try:
            response = self.finish(request, flow, params)
        except (FlowError, ProviderError, StorageError) as error:
            response = self.refuse(request, error)
        delete_flow_cookie(flow, request, response)
        return response

    def finish(self, request: HttpRequest, flow: Flow, params: QueryDict) -> HttpResponseBase:
        """Get the token, announce it and store it, and redirect to the flow's ``next``."""
        token = self.provider.complete(request, flow, params)
        session = self.provider.session(request)
        session.current_token.use_unsaved(token)
        with self.report_unexpected_errors("receiver_failed"):
            try:
                received = self.announce(request, session, token)
            except (DanceError, OSError) as error:
                # A receiver's call of the API failed. (The exceptions of `requests` are OSErrors;
                # importing `requests` here would load it for every page.)
                raise FlowError("receiver_failed", type(error).__name__) from error
        self.observed.outcome = "not_stored"
        for _, returned in received:
            if isinstance(returned, HttpResponseBase):
                return protect(returned)
        if not any(returned is False for _, returned in received):
            with self.report_unexpected_errors("storage_failed"):
                # A receiver's call may have refreshed the token.
                answer = self.store(request, flow, session, session.current_token.unsaved or token)
            if answer is not None:
                return protect(answer)
            self.observed.outcome = "connected"
            wanted = flow.additions.account
            if wanted and session.account_id != wanted:
                return self.show_other_account(request, session, wanted)
        return protect(HttpResponseRedirect(flow.next))

    def store(
        self, request: HttpRequest, flow: Flow, session: DanceSession, token: Token
    ) -> HttpResponseBase | None:
        """Store the token, and sign the visitor in, if the provider is used for sign-in."""
        user = user_key(request)
        if self.provider.sign_in and user is None:
            return sign_in_visitor(session, token)
        store_connection(session, token, for_account=flow.additions.account)
        # A receiver may have logged a user in. That user did not begin the dance.
        if self.provider.sign_in and user == flow.user:
            allow_after_dance(session)
        return None

    def show_other_account(
        self, request: HttpRequest, session: DanceSession, wanted: str
    ) -> HttpResponse:
        """Say that the dance has connected another account than the one that it was for.

        A redirect to the flow's ``next``, which needs the other account, could loop.
        """
        context = {
            "provider": self.provider,
            "connected": session.account_label,
            "needed": session.account(wanted).account_label,
            "login_url": self.again_url(request),
            "back_url": self.provider.after_url(),
        }
        return page(request, "other_account.html", context)

    @contextmanager
    def report_unexpected_errors(self, code: str) -> Iterator[None]:
        """Report an unexpected exception of the site through ``oauth_error``; raise it again."""
        try:
            yield
        except (FlowError, ProviderError, StorageError):
            raise
        except Exception as error:
            self.refuse(self.request, FlowError(code, type(error).__name__))
            raise

    def announce(
        self, request: HttpRequest, session: DanceSession, token: Token
    ) -> list[tuple[Any, Any]]:
        """Send ``oauth_authorized``, and return the receivers' answers."""
        return oauth_authorized.send(
            type(self.provider),
            provider=self.provider,
            request=request,
            owner=session.owner,
            session=session,
            token=token,
        )


@method_decorator(csrf_protect, name="dispatch")
class DisconnectView(DanceView):
    """Ends a connection: revokes and deletes the token."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        place = request.POST.get(PLACE)
        provider = self.provider
        if place:
            try:
                # The connection may be to a place that PLACES does not allow any more.
                provider = provider.variant(provider.normal_place(place))
            except ImproperlyConfigured as error:
                raise PlaceError(str(error), "place_refused") from error
        session = provider.session(request)
        if not may_disconnect(session):
            raise FlowError(
                "disconnect_refused",
                "the connection belongs to a team or to the site: the user needs the permission to "
                f"delete it, or set LISTED = True in DANCE_PROVIDERS[{provider.name!r}]",
            )
        if not session.disconnect():
            tell_not_revoked(request, provider)
        next_url = safe_next(request, request.POST.get("next")) or self.provider.after_url()
        if origin(next_url) is not None:
            # REDIRECT_URL may be another site: see `LoginView.begin`.
            return page(request, "bounce.html", {"provider": self.provider, "url": next_url})
        return protect(HttpResponseRedirect(next_url))


def may_disconnect(session: DanceSession) -> bool:
    """Whether the visitor may end the connection: one of the visitor, or one that all may end.

    Others, such as those of a team, are for users with the permission to delete their rows.
    """
    storage, provider = session.storage, session.provider
    if provider.listed or storage.is_personal(session.owner):
        return True
    table, user = storage.model_storage, getattr(session.http_request, "user", None)
    if table is None or user is None:
        return False
    options = table.model._meta
    name = f"{options.app_label}.{get_permission_codename('delete', options)}"
    # A user model of the site may have no permissions.
    return bool(hasattr(user, "has_perm") and user.has_perm(name))


def _refuse_inactive(request: HttpRequest) -> None:
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated and not user.is_active:
        raise FlowError("user_inactive", "the user has been deactivated")


def _is_prefetch(request: HttpRequest) -> bool:
    purposes = (request.headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Moz"))
    return any("prefetch" in purpose or "prerender" in purpose for purpose in purposes)


def _is_visit(request: HttpRequest) -> bool:
    """Whether a visitor opens the address. An image, a frame or a script must not begin a dance."""
    mode = request.headers.get("Sec-Fetch-Mode", "navigate")
    destination = request.headers.get("Sec-Fetch-Dest", "document")
    return mode == "navigate" and destination == "document"


def _refuse_script() -> HttpResponse:
    text = gettext("A login begins only when the browser opens this address as a page.")
    return protect(HttpResponse(text, status=403, content_type="text/plain; charset=utf-8"))


def _base_host(request: HttpRequest) -> str | None:
    """Return the origin in ``DANCE_BASE_URL`` if the request came to another host."""
    base = str(settings.base_url or "").rstrip("/")
    here = f"{base.partition(':')[0]}://{request.get_host()}"
    return base if base and origin(base) != origin(here) else None


def _lost_its_session(request: HttpRequest, flow: Flow) -> bool:
    """Whether the browser did not send a ``SameSite=Strict`` session cookie with this callback."""
    return (
        flow.user is not None
        and str(django_settings.SESSION_COOKIE_SAMESITE).lower() == "strict"
        and not has_session_cookie(request)
    )


def _take_params(request: HttpRequest) -> QueryDict:
    """Return the parameters of the callback, and remove the secret ones from the request.

    Error reports print the query of a request.
    """
    params = request.GET.copy()
    params.pop(_BOUNCED, None)  # a provider may have signed the others
    rest = request.GET.copy()
    for name in _SECRET_PARAMS:
        if name in params:
            params.setlist(name, [Secret(value) for value in params.getlist(name)])
            rest.setlist(name, ["***"] * len(rest.getlist(name)))
    rest._mutable = False
    request.GET = rest  # type: ignore[assignment]
    query = rest.urlencode()
    meta: Mapping[str, Any] = request.META
    for name in ("QUERY_STRING", "REQUEST_URI", "RAW_URI"):
        if name in meta:
            request.META[name] = query if name == "QUERY_STRING" else f"{request.path}?{query}"
    return params


class ClientDocumentView(View):
    """The client ID metadata document: the servers of places read about this site in it."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        from .providers import client_document  # it imports requests

        response = HttpResponse(client_document(), content_type="application/json")
        response["Cache-Control"] = "public, max-age=3600"
        return response
