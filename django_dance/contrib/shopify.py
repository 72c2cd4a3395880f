from ..providers import OAuth2Provider


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
    base_url = "https://{host}/admin/api/{api_version}/"
    authorization_url = "https://{host}/admin/oauth/authorize"
    token_url = "https://{host}/admin/oauth/access_token"
    # Public apps must use tokens that expire, each of them from 2027-01-01 on; each refresh
    # replaces the refresh token:
    # https://shopify.dev/docs/apps/build/security/credentials-and-data/use-expiring-offline-access-tokens
    token_url_params = {"expiring": "1"}
    refresh_rotates = True
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
