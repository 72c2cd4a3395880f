from ..providers import OAuth2Provider


class Monzo(OAuth2Provider):
    """https://docs.monzo.com/ — register a confidential client: Monzo grants other clients no
    refresh tokens."""

    documentation = "https://docs.monzo.com/"
    checked = "2026-11"
    registration_url = "https://developers.monzo.com/"
    base_url = "https://api.monzo.com/"
    authorization_url = "https://auth.monzo.com/"
    token_url = "https://api.monzo.com/oauth2/token"
    revocation_url = "https://api.monzo.com/oauth2/logout"
    revocation_auth = "token"
    revocation_param = ""
    client_auth = "post"
    refresh_rotates = True
    # The token itself names the account.
    account_id = "user_id"
    unconfirmed = ("pkce",)
