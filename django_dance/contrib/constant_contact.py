from ..providers import OAuth2Provider


class ConstantContact(OAuth2Provider):
    """https://developer.constantcontact.com/api_guide/server_flow.html"""

    documentation = "https://developer.constantcontact.com/api_guide/server_flow.html"
    checked = "2026-11"
    registration_url = "https://app.constantcontact.com/pages/dma/portal/"
    label = "Constant Contact"
    base_url = "https://api.cc.email/v3/"
    authorization_url = "https://authz.constantcontact.com/oauth2/default/v1/authorize"
    token_url = "https://authz.constantcontact.com/oauth2/default/v1/token"
    # PKCE is only for applications that were registered for it, without a secret:
    # https://developer.constantcontact.com/api_guide/pkce_flow.html
    pkce = None
    scope = ("account_read", "offline_access")
    account_url = "account/summary"
    account_id = "encoded_account_id"
    account_label = "organization_name"
    # A setting of the application decides whether a refresh token can be used again. Both facts:
    # https://community.constantcontact.com/t5/API-Developer-Support/Refresh-token-expiry/td-p/402882
    refresh_rotates = None
    refresh_token_lifetime = 180
