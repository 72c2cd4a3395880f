"""The provider "Album": a small OAuth 1 provider (RFC 5849), built on oauthlib.

It has one client, in the settings. A provider with more clients would store them in a table.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_exempt
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, RequestValidator, WebApplicationServer
from oauthlib.oauth1.rfc5849.errors import InvalidRequestError

from .accounts import lead_on
from .models import AlbumToken


class Album(RequestValidator):
    """The callbacks with which oauthlib reads and writes the state of the provider."""

    enforce_ssl = not settings.DEBUG
    allowed_signature_methods = (SIGNATURE_HMAC_SHA256,)
    # oauthlib continues with these values after a wrong key or token, so that the time of the
    # response does not show which keys and tokens exist.
    dummy_client = dummy_request_token = dummy_access_token = "nobody"

    def validate_client_key(self, client_key: str, request: Any) -> bool:
        return constant_time_compare(client_key, settings.ALBUM_OAUTH_CLIENT_ID)

    def get_client_secret(self, client_key: str, request: Any) -> str:
        return settings.ALBUM_OAUTH_CLIENT_SECRET

    def validate_redirect_uri(self, client_key: str, redirect_uri: str, request: Any) -> bool:
        return redirect_uri == f"{settings.DEMO_ORIGIN}{reverse('album:authorized')}"

    def validate_timestamp_and_nonce(
        self,
        client_key: str,
        timestamp: str,
        nonce: str,
        request: Any,
        request_token: str | None = None,
        access_token: str | None = None,
    ) -> bool:
        """RFC 5849 §3.3: accept each nonce once. A timestamp may be too early or too late."""
        used = f"album-nonce-{client_key}-{timestamp}-{nonce}"
        return cache.add(used, True, 2 * self.timestamp_lifetime)

    # Temporary credentials are needed only until the user decides, so they are in the cache.

    def save_request_token(self, token: Any, request: Any) -> None:
        token["oauth_token_secret"] = secret_of(token["oauth_token"])
        cache.set(cache_key(token["oauth_token"]), {"callback": request.redirect_uri}, 600)

    def verify_request_token(self, token: str, request: Any) -> bool:
        return cache.get(cache_key(token)) is not None

    def get_redirect_uri(self, token: str, request: Any) -> str:
        return str(cache.get(cache_key(token))["callback"])

    def save_verifier(self, token: str, verifier: dict[str, str], request: Any) -> None:
        agreed = {**cache.get(cache_key(token)), "verifier": verifier["oauth_verifier"]}
        cache.set(cache_key(token), agreed, 600)

    def validate_request_token(self, client_key: str, token: str, request: Any) -> bool:
        return cache.get(cache_key(token)) is not None

    def get_request_token_secret(self, client_key: str, token: str, request: Any) -> str:
        return secret_of(token)

    def validate_verifier(self, client_key: str, token: str, verifier: str, request: Any) -> bool:
        agreed = cache.get(cache_key(token), {})
        return constant_time_compare(agreed.get("verifier", ""), verifier)

    def save_access_token(self, token: Any, request: Any) -> None:
        agreed = cache.get(cache_key(request.resource_owner_key))
        if not cache.delete(cache_key(request.resource_owner_key)):
            # RFC 5849 §2.3: only one of two concurrent requests may exchange the credentials.
            raise InvalidRequestError("The temporary credentials are used up.")
        token["oauth_token_secret"] = secret_of(token["oauth_token"])
        AlbumToken.objects.create(token=token["oauth_token"], user_id=agreed["user"])

    def invalidate_request_token(self, client_key: str, request_token: str, request: Any) -> None:
        """Do nothing: ``save_access_token`` has deleted the credentials."""

    def validate_access_token(self, client_key: str, token: str, request: Any) -> bool:
        return AlbumToken.objects.filter(token=token).exists()

    def get_access_token_secret(self, client_key: str, token: str, request: Any) -> str:
        return secret_of(token)

    # Album does not use realms.

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
    """Derive the secret of a token (RFC 5849 §4.5), so that no secret has to be stored."""
    return salted_hmac("example_project.album", token, algorithm="sha256").hexdigest()


def cache_key(token: str) -> str:
    return f"album-temporary-{token}"


@csrf_exempt  # signed by a client, not sent by a browser
def request_token(request: HttpRequest) -> HttpResponse:
    return answer(*server.create_request_token_response(*oauthlib_request(request)))


@login_required
def authorize(request: HttpRequest) -> HttpResponse:
    token = request.GET.get("oauth_token", "")
    credentials = cache.get(cache_key(token))
    if credentials is None or "verifier" in credentials:
        raise Http404
    if request.method != "POST":
        return render(request, "album_authorize.html")
    if request.POST.get("decision") != "allow":
        # The RFC defines no parameter for a denial; many providers send this one.
        return lead_on(request, f"{credentials['callback']}?{urlencode({'denied': token})}")
    cache.set(cache_key(token), {**credentials, "user": request.user.pk}, 600)
    headers, _, _ = server.create_authorization_response(*oauthlib_request(request))
    return lead_on(request, headers["Location"])


@csrf_exempt
def access_token(request: HttpRequest) -> HttpResponse:
    return answer(*server.create_access_token_response(*oauthlib_request(request)))


def me(request: HttpRequest) -> HttpResponse:
    valid, signed = server.validate_protected_resource_request(*oauthlib_request(request))
    if not valid:
        return HttpResponse(status=401, headers={"WWW-Authenticate": 'OAuth realm="Album"'})
    user = AlbumToken.objects.get(token=signed.resource_owner_key).user
    return JsonResponse({"name": user.get_full_name()}, json_dumps_params={"indent": 2})


def oauthlib_request(request: HttpRequest) -> tuple[str, str, str, dict[str, str]]:
    """The arguments with which oauthlib takes a request: URI, method, body and headers."""
    body = request.body.decode(errors="replace")
    return request.build_absolute_uri(), request.method or "", body, dict(request.headers)


def answer(headers: dict[str, str], body: str | None, status: int) -> HttpResponse:
    """Build the response from the values that oauthlib returns."""
    return HttpResponse(body or "", status=status, headers=headers)
