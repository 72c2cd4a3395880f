"""The provider "Album": a small one of OAuth 1, on oauthlib (RFC 5849).

It knows one client, by the settings; more would be rows of a table.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_exempt
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, RequestValidator, WebApplicationServer
from oauthlib.oauth1.rfc5849.errors import InvalidRequestError

from .models import AlbumToken


class Album(RequestValidator):
    """The answers to oauthlib's questions."""

    enforce_ssl = not settings.DEBUG
    allowed_signature_methods = (SIGNATURE_HMAC_SHA256,)
    # What oauthlib goes on with after a wrong name, so that the time it takes tells nothing.
    dummy_client = dummy_request_token = dummy_access_token = "nobody"

    def validate_client_key(self, client_key: str, request: Any) -> bool:
        return constant_time_compare(client_key, settings.ALBUM_OAUTH_CLIENT_ID)

    def get_client_secret(self, client_key: str, request: Any) -> str:
        return settings.ALBUM_OAUTH_CLIENT_SECRET

    def validate_redirect_uri(self, client_key: str, redirect_uri: str, request: Any) -> bool:
        path = reverse("album:authorized")
        return redirect_uri in [f"{origin}{path}" for origin in settings.DEMO_ORIGINS]

    def validate_timestamp_and_nonce(
        self,
        client_key: str,
        timestamp: str,
        nonce: str,
        request: Any,
        request_token: str | None = None,
        access_token: str | None = None,
    ) -> bool:
        """RFC 5849 §3.3: what is signed is good once, however far the client's clock is off."""
        used = f"album-nonce-{client_key}-{timestamp}-{nonce}"
        return cache.add(used, True, 2 * self.timestamp_lifetime)

    # Temporary credentials live as long as somebody needs to say yes: in the cache.

    def save_request_token(self, token: Any, request: Any) -> None:
        token["oauth_token_secret"] = secret_of(token["oauth_token"])
        cache.set(temporary(token["oauth_token"]), {"callback": request.redirect_uri}, 600)

    def verify_request_token(self, token: str, request: Any) -> bool:
        return cache.get(temporary(token)) is not None

    def get_redirect_uri(self, token: str, request: Any) -> str:
        return str(cache.get(temporary(token))["callback"])

    def save_verifier(self, token: str, verifier: dict[str, str], request: Any) -> None:
        agreed = {**cache.get(temporary(token)), "verifier": verifier["oauth_verifier"]}
        cache.set(temporary(token), agreed, 600)

    def validate_request_token(self, client_key: str, token: str, request: Any) -> bool:
        return cache.get(temporary(token)) is not None

    def get_request_token_secret(self, client_key: str, token: str, request: Any) -> str:
        return secret_of(token)

    def validate_verifier(self, client_key: str, token: str, verifier: str, request: Any) -> bool:
        agreed = cache.get(temporary(token), {})
        return constant_time_compare(agreed.get("verifier", ""), verifier)

    def save_access_token(self, token: Any, request: Any) -> None:
        agreed = cache.get(temporary(request.resource_owner_key))
        if not cache.delete(temporary(request.resource_owner_key)):
            # RFC 5849 §2.3: they are exchanged once, whoever comes at the same time.
            raise InvalidRequestError("The temporary credentials are used up.")
        token["oauth_token_secret"] = secret_of(token["oauth_token"])
        AlbumToken.objects.create(token=token["oauth_token"], user_id=agreed["user"])

    def invalidate_request_token(self, client_key: str, request_token: str, request: Any) -> None:
        """They are gone already."""

    def validate_access_token(self, client_key: str, token: str, request: Any) -> bool:
        return AlbumToken.objects.filter(token=token).exists()

    def get_access_token_secret(self, client_key: str, token: str, request: Any) -> str:
        return secret_of(token)

    # Realms, which nobody has.

    def get_default_realms(self, client_key: str, request: Any) -> list[str]:
        return []

    def get_realms(self, token: str, request: Any) -> list[str]:
        return []

    def validate_requested_realms(self, client_key: str, realms: Any, request: Any) -> bool:
        return not realms

    def validate_realms(self, *args: Any, **kwargs: Any) -> bool:
        return True


server = WebApplicationServer(Album())


def secret_of(token: str) -> str:
    """RFC 5849 §4.5: the server must know every secret. Derived, none has to be stored."""
    return salted_hmac("example_project.album", token, algorithm="sha256").hexdigest()


def temporary(token: str) -> str:
    return f"album-temporary-{token}"


@csrf_exempt  # signed by a client, not sent by a browser
def request_token(request: HttpRequest) -> HttpResponse:
    return answer(*server.create_request_token_response(*asked(request)))


@login_required
def authorize(request: HttpRequest) -> HttpResponse:
    token = request.GET.get("oauth_token", "")
    credentials = cache.get(temporary(token))
    if credentials is None or "verifier" in credentials:
        raise Http404
    if request.method != "POST":
        return render(request, "album_authorize.html")
    if request.POST.get("decision") != "allow":
        # The RFC has no word for no; this one is understood by most.
        return redirect(f"{credentials['callback']}?{urlencode({'denied': token})}")
    cache.set(temporary(token), {**credentials, "user": request.user.pk}, 600)
    return answer(*server.create_authorization_response(*asked(request)))


@csrf_exempt
def access_token(request: HttpRequest) -> HttpResponse:
    return answer(*server.create_access_token_response(*asked(request)))


def me(request: HttpRequest) -> HttpResponse:
    valid, signed = server.validate_protected_resource_request(*asked(request))
    if not valid:
        return HttpResponse(status=401, headers={"WWW-Authenticate": 'OAuth realm="Album"'})
    user = AlbumToken.objects.get(token=signed.resource_owner_key).user
    return JsonResponse({"name": user.get_full_name()}, json_dumps_params={"indent": 2})


def asked(request: HttpRequest) -> tuple[str, str, str, dict[str, str]]:
    """The request as oauthlib takes it."""
    body = request.body.decode(errors="replace")
    return request.build_absolute_uri(), request.method or "", body, dict(request.headers)


def answer(headers: dict[str, str], body: str | None, status: int) -> HttpResponse:
    """What oauthlib answers."""
    return HttpResponse(body or "", status=status, headers=headers)
