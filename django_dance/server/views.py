"""The views of a server's URLs. They use the same handlers as views of a site."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import (
    Http404,
    HttpRequest,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.decorators import classonlymethod, method_decorator
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.generic import View
from oauthlib.oauth2.rfc6749 import errors

from ..http import is_loopback
from . import consent, cors, dynamic_registration, resources
from .bindings import rows_to_write
from .client_documents import document_host
from .handlers import AuthorizationRequest
from .models import Consent
from .responses import add_security_headers, render_page
from .rows import ClientRow, is_active

#: The digits of a BigAutoField.
_KEY = re.compile(r"[0-9]{1,19}")
_NO_FIELD = (
    "The form in your template django_dance_server/authorize.html does not say to whom it was "
    'shown. Add this field to the form: <input type="hidden" name="shown_to" '
    'value="{{ shown_to }}">.'
)


class ServerView(View):
    """A view of one server, exempt from ``LoginRequiredMiddleware``."""

    server: Any = None

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Any:  # noqa: N805
        return login_not_required(super().as_view(**initkwargs))


class EndpointView(ServerView):
    """An endpoint for clients, which have no cookies."""

    #: The name of the server's method that makes the handler.
    handler = ""

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Any:  # noqa: N805
        return csrf_exempt(super().as_view(**initkwargs))

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = getattr(self.server, self.handler)(self.extra_fields)(request)
        return response

    def extra_fields(self, request: HttpRequest) -> dict[str, Any] | None:
        """Fields to add to the response of the token endpoint."""
        return None


class AuthorizeView(ServerView):
    """Asks the user for consent, unless there is one, and sends the response to the client."""

    http_method_names = ["get", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        handler = self.server.authorize_handler(super().dispatch)
        response: HttpResponseBase = handler(request, *args, **kwargs)
        return response

    def get(
        self, request: HttpRequest, *, asked: AuthorizationRequest, **kwargs: Any
    ) -> HttpResponseBase | bool:
        user = self.server.user_of(request)
        silent = "none" in asked.prompts
        if not user.is_authenticated:
            if silent:
                raise errors.LoginRequired
            return redirect_to_login(request.get_full_path())
        if not is_active(user):
            return False
        if "consent" not in asked.prompts and consent.exists(self.server, user, asked):
            return True
        if silent:
            raise errors.ConsentRequired
        return self._page(request, user, asked)

    def post(
        self, request: HttpRequest, *, asked: AuthorizationRequest, **kwargs: Any
    ) -> HttpResponseBase | bool:
        user = self.server.user_of(request)
        if not user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not is_active(user):
            return False
        if not asked.was_shown_to(user, request.POST.get("shown_to", "")):
            # Since the page was shown, another user has logged in, or was chosen, or the client
            # may request other scopes, or has another name or redirect URI.
            return self._page(request, user, asked)
        if request.POST.get("decision") != "allow":
            return False
        consent.save(self.server, user, asked)
        return True

    def _page(
        self, request: HttpRequest, user: Any, asked: AuthorizationRequest
    ) -> HttpResponseBase:
        response = render_page(request, "authorize.html", self.context(user, asked))
        if asked.mark_for(user).encode() not in response.content:
            # Each form would be answered with the page again.
            raise ImproperlyConfigured(_NO_FIELD)
        return response

    def context(self, user: Any, asked: AuthorizationRequest) -> dict[str, Any]:
        """The context of the template ``django_dance_server/authorize.html``."""
        parts = urlsplit(asked.redirect_uri)
        return {
            "client": asked.client,
            "client_name": ClientRow(asked.client).name,
            "user": user,
            "shown_to": asked.mark_for(user),
            "scopes": [(scope, self.server.scopes.get(scope, scope)) for scope in asked.scopes],
            "resources": asked.resources,
            # The host of the document that describes the client.
            "document_host": document_host(asked.client),
            "is_unverified": bool(ClientRow(asked.client).registration),
            "is_local": is_loopback(parts.hostname or ""),
            # A client chooses its name, so the page also shows the host that gets the response. A
            # URI with an app's own scheme has no meaningful host.
            "redirect_host": parts.netloc
            if parts.scheme in ("http", "https")
            else f"{parts.scheme}:",
        }


class TokenView(EndpointView):
    """The token endpoint (RFC 6749 §3.2)."""

    handler = "token_handler"


class RevokeView(EndpointView):
    """The revocation endpoint (RFC 7009)."""

    handler = "revoke_handler"


class IntrospectView(EndpointView):
    """The introspection endpoint (RFC 7662)."""

    handler = "introspect_handler"


class RegisterView(ServerView):
    """The endpoint where clients register themselves (RFC 7591), if the site allows it."""

    http_method_names = ["post", "options"]

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Any:  # noqa: N805
        return csrf_exempt(super().as_view(**initkwargs))

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not self.server.option("registration"):
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        response = dynamic_registration.register(self.server, request)
        return cors.allow_all(response) if self.server.option("browser_clients") else response

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not self.server.option("browser_clients"):
            return HttpResponseNotAllowed(["POST"])
        return cors.preflight("POST")


class MetadataView(ServerView):
    """The metadata of the server (RFC 8414)."""

    http_method_names = ["get", "head", "options"]

    #: The namespace that includes the server's URLs; "" for the namespace of this view.
    namespace = ""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        match = request.resolver_match
        namespace = self.namespace or (match.namespace if match else "")
        return cors.allow_all(JsonResponse(self.server.metadata(namespace)))

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return cors.preflight("GET, HEAD")


class ResourceMetadataView(ServerView):
    """The metadata of the protected resources (RFC 9728)."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest) -> HttpResponseBase:
        found = resources.metadata(self.server, request)
        if found is None:
            raise Http404
        return cors.allow_all(JsonResponse(found))

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return cors.preflight("GET, HEAD")


@method_decorator(csrf_protect, name="dispatch")
class ApplicationsView(ServerView):
    """The applications that have the user's consent, each with a button to disconnect it."""

    http_method_names = ["get", "post"]

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Any:  # noqa: N805
        database = initkwargs.get("server", cls.server).database
        # Even with ATOMIC_REQUESTS, a revoked token stays revoked if a later step fails.
        return transaction.non_atomic_requests(database)(super().as_view(**initkwargs))

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.user = self.server.user_of(request)
        if not self.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return add_security_headers(super().dispatch(request, *args, **kwargs))

    def get(self, request: HttpRequest) -> HttpResponseBase:
        getter, scopes = self.server.callbacks.required("clientgetter"), self.server.scopes
        applications = [
            {
                "consent": found,
                "client": (client := getter(found.client_id)),
                "name": found.client_id if client is None else ClientRow(client).name,
                "scopes": [(scope, scopes.get(scope, scope)) for scope in found.scopes],
            }
            for found in self._consents().order_by("-created_at")
        ]
        return render_page(request, "applications.html", {"applications": applications})

    def post(self, request: HttpRequest) -> HttpResponseBase:
        pk = request.POST.get("application", "")
        # 404 for the consent of another user.
        found = get_object_or_404(self._consents(), pk=pk if _KEY.fullmatch(pk) else 0)
        consent.withdraw(self.server, found)
        return HttpResponseRedirect(request.path)

    def _consents(self) -> Any:
        return rows_to_write(Consent).filter(user=self.user, server=self.server.name)
