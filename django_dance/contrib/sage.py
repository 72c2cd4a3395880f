from ..providers import OAuth2Provider


class Sage(OAuth2Provider):
    """https://developer.sage.com/accounting/guides/authenticating/authentication/ — Sage
    Accounting. For write access set ``SCOPE`` to ``full_access``."""

    documentation = "https://developer.sage.com/accounting/guides/authenticating/authentication/"
    checked = "2026-11"
    registration_url = "https://developerselfservice.sageone.com/"
    base_url = "https://api.accounting.sage.com/v3.1/"
    authorization_url = "https://www.sageone.com/oauth2/auth/central"
    authorization_url_params = {"filter": "apiv3.1"}
    token_url = "https://oauth.accounting.sage.com/token"
    refresh_rotates = True
    refresh_token_lifetime = 31
    revocation_url = "https://oauth.accounting.sage.com/revoke"
    client_auth = "post"
    scope = "readonly"
    # The token itself names the user who granted it.
    account_id = "requested_by_id"
