from ..providers import OAuth2Provider


class Shopify(OAuth2Provider):
    """https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant
    — set ``HOST`` to the shop's domain, and set ``API_VERSION``. To get tokens that expire and can
    be refreshed, set ``TOKEN_URL_PARAMS`` to ``{"expiring": "1"}``."""

    documentation = (
        "https://shopify.dev/docs/apps/build/authentication-authorization/"
        "access-tokens/authorization-code-grant"
    )
    registration_url = "https://dev.shopify.com/dashboard/"
    host = ""
    base_url = "https://{host}/admin/api/{api_version}/"
    authorization_url = "https://{host}/admin/oauth/authorize"
    token_url = "https://{host}/admin/oauth/access_token"
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
    unconfirmed = ("pkce", "refresh_rotates")

    #: The version of the API; Shopify supports a version for a year.
    api_version = "2025-10"
