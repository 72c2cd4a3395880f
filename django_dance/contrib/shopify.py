from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.utils.crypto import constant_time_compare

from ..exceptions import FlowError
from ..providers import HostPlace, OAuth2Provider
from ..tokens import ResourceOwner

if TYPE_CHECKING:
    from django.http import QueryDict

    from ..flows import Flow

#: The age, in seconds, at which a signed request of Shopify becomes invalid.
MAX_AGE = 24 * 3600


class Shopify(OAuth2Provider):
    """https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant
    — set ``HOST`` to the shop's domain. Tokens expire after an hour and are refreshed. For an app
    that is not public, ``TOKEN_URL_PARAMS = {}`` asks for tokens that do not expire."""

    documentation = (
        "https://shopify.dev/docs/apps/build/authentication-authorization/"
        "access-tokens/authorization-code-grant"
    )
    registration_url = "https://dev.shopify.com/dashboard/"
    checked = "2026-11"
    # https://shopify.dev/docs/api/usage/versioning
    supported_until = {"api_version": "2027-10-01"}
    host = ""
    # https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant
    place_kind = HostPlace(
        suffixes=[".myshopify.com"], label="[a-z0-9][a-z0-9-]*", example="acme.myshopify.com"
    )
    one_client = True
    base_url = "https://{host}/admin/api/{api_version}/"
    authorization_url = "https://{host}/admin/oauth/authorize"
    token_url = "https://{host}/admin/oauth/access_token"
    # Public apps must use tokens that expire, each of them from 2027-01-01 on; each refresh
    # replaces the refresh token:
    # https://shopify.dev/docs/apps/build/security/credentials-and-data/use-expiring-offline-access-tokens
    token_url_params = {"expiring": "1"}
    refresh_rotates = True
    # https://shopify.dev/changelog/more-resilient-refreshes-for-expiring-offline-access-tokens
    refresh_token_lifetime = 90
    client_auth = "post"
    scope = "read_products"
    scope_separator = ","
    # https://shopify.dev/docs/api/usage/access-scopes: write access includes read access
    scope_implies = {"write_*": ("read_*",)}
    token_header = "X-Shopify-Access-Token"
    authorization_scheme = ""
    account_url = "shop.json"
    account_id = "shop.id"
    account_label = "shop.name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)

    #: The version of the API; Shopify supports a version for a year.
    api_version = "2026-10"

    def check_callback(self, flow: Flow, params: QueryDict) -> None:
        super().check_callback(flow, params)
        if self.place or "hmac" in params:
            self.check_signature(params)
        if self.place and params.get("shop") != self.place:
            raise FlowError("signature_invalid", "the callback names another shop than the flow")

    def check_signature(self, params: QueryDict) -> None:
        """Check the signature of a request that Shopify has sent the visitor with.

        It is that of a callback, and of the app's own address at an installation:
        https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant

        :raises FlowError: ``signature_invalid``: the request is not Shopify's, or is a day old.
        """
        secret = self.get_client_credentials(ResourceOwner(self)).client_secret
        message = "&".join(sorted(_signed_pairs(params)))
        expected = hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()
        if not constant_time_compare(expected, params.get("hmac", "")):
            raise FlowError(
                "signature_invalid", "the callback's hmac is not that of its parameters"
            )
        sent_at = params.get("timestamp", "")
        age = time.time() - int(sent_at) if sent_at.isascii() and sent_at.isdecimal() else MAX_AGE
        if not -MAX_AGE < age < MAX_AGE:
            raise FlowError("signature_invalid", "the callback's hmac is more than a day old")


def _signed_pairs(params: QueryDict) -> Iterator[str]:
    """Yield the parameters as Shopify signs them."""
    for name, values in params.lists():
        if name == "hmac":
            continue
        value = str(values[-1])
        if name.endswith("[]"):
            name, value = name[:-2], json.dumps(values)
        escaped = str(name).replace("%", "%25").replace("=", "%3D")
        yield f"{escaped}={value.replace('%', '%25')}".replace("&", "%26")
