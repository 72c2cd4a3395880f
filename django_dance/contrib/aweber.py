from ..providers import OAuth2Provider


class AWeber(OAuth2Provider):
    """https://api.aweber.com/"""

    documentation = "https://api.aweber.com/"
    checked = "2026-11"
    registration_url = "https://labs.aweber.com/apps"
    base_url = "https://api.aweber.com/1.0/"
    authorization_url = "https://auth.aweber.com/oauth2/authorize"
    token_url = "https://auth.aweber.com/oauth2/token"
    revocation_url = "https://auth.aweber.com/oauth2/revoke"
    # AWeber refuses PKCE from a client that has a secret:
    # https://api.aweber.com/#tag/Troubleshooting, quoted by
    # https://github.com/api-evangelist/aweber/blob/HEAD/authentication/aweber-authentication.yml
    pkce = None
    scope = "account.read"
    account_url = "accounts"
    account_id = "entries.0.id"
    account_label = "entries.0.company"
    unconfirmed = ("pkce", "refresh_rotates")
