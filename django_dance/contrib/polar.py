from ..providers import OAuth2Provider


class Polar(OAuth2Provider):
    """https://www.polar.com/accesslink-api/ — before you make other calls, register the user:
    ``post("users", json={"member-id": …})``."""

    label = "Polar Flow"
    documentation = "https://www.polar.com/accesslink-api/"
    checked = "2026-11"
    # https://github.com/polarofficial/accesslink-example-python/blob/HEAD/README.md
    registration_url = "https://admin.polaraccesslink.com/"
    base_url = "https://www.polaraccesslink.com/v3/"
    authorization_url = "https://flow.polar.com/oauth2/authorization"
    token_url = "https://polarremote.com/v2/oauth2/token"
    # An access token is valid until it is revoked.
    auto_refresh_url = None
    scope = "accesslink.read_all"
    # The token itself names the account.
    account_id = "x_user_id"
    account_label = "x_user_id"
    unconfirmed = ("pkce",)
