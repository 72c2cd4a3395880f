from .. import __version__
from ..providers import OAuth2Provider


class Harvest(OAuth2Provider):
    """https://help.getharvest.com/api-v2/authentication-api/authentication/authentication/ — each
    call names one of the user's accounts:
    ``get("users/me", headers={"Harvest-Account-Id": "…"})``. The field ``accounts`` of
    ``account_info()`` lists them. Register the application for multiple accounts: otherwise a token
    is for one account, and a dance for another one replaces it. Harvest requires a ``USER_AGENT``
    with your site's name and a contact address. You choose the products when you register the
    application."""

    documentation = (
        "https://help.getharvest.com/api-v2/authentication-api/authentication/authentication/"
    )
    checked = "2026-11"
    registration_url = "https://id.getharvest.com/developers"
    base_url = "https://api.harvestapp.com/v2/"
    authorization_url = "https://id.getharvest.com/oauth2/authorize"
    token_url = "https://id.getharvest.com/api/v2/oauth2/token"
    client_auth = "post"
    # https://help.getharvest.com/api-v2/introduction/overview/general/
    request_headers = {"User-Agent": "{user_agent}"}
    account_url = "https://id.getharvest.com/api/v2/accounts"
    account_id = "user.id"
    account_label = "user.email"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce", "refresh_rotates")

    #: The User-Agent of API calls.
    user_agent = f"django-dance/{__version__}"
