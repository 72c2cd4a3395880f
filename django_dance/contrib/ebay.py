from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..providers import OAuth2Provider, Problem

if TYPE_CHECKING:
    from django.http import HttpRequest


class EBay(OAuth2Provider):
    """https://developer.ebay.com/develop/guides-v2/authorization — set ``RU_NAME`` to the name that
    eBay gave to your callback URL. ``SANDBOX`` uses eBay's sandbox."""

    documentation = "https://developer.ebay.com/develop/guides-v2/authorization"
    checked = "2026-11"
    registration_url = "https://developer.ebay.com/my/keys"
    label = "eBay"
    host = "ebay.com"  # /api-docs/static/oauth-consent-request.html
    base_url = "https://api.{host}/"
    authorization_url = "https://auth.{host}/oauth2/authorize"
    token_url = "https://api.{host}/identity/v1/oauth2/token"
    token_type = "user access token"
    refresh_rotates = False  # /api-docs/static/oauth-refresh-token-request.html
    refresh_token_lifetime = 547  # /api-docs/static/oauth-auth-code-grant-request.html
    scope = "https://api.ebay.com/oauth/api_scope/commerce.identity.readonly"
    scope_required = True
    account_url = "https://apiz.{host}/commerce/identity/v1/user/"
    account_id = "userId"  # /api-docs/commerce/identity/types/api:UserResponse
    account_label = "username"
    permanent_account_ids = ("userId",)  # "immutable", as the page of account_id says
    choose_account_params = {"prompt": "login"}  # /api-docs/static/oauth-consent-request.html
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)

    #: eBay's name for the callback URL; eBay's keys page shows it.
    ru_name: str = ""
    #: Use the sandbox.
    sandbox = False

    option_facts = {"sandbox": {"host": "sandbox.ebay.com"}}

    def find_problems(self) -> Iterator[Problem]:
        yield from super().find_problems()
        if not self.ru_name:
            yield self._missing(
                "ru_name",
                "Enter the callback URL at eBay, under User Tokens, for accepted and for declined "
                "requests, and set the name that it gets.",
            )

    def callback_uri(self, request: "HttpRequest") -> str:
        super().callback_uri(request)  # refuses plain http
        return self.ru_name
