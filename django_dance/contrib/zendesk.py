from ..providers import HostPlace, OAuth2Provider


class Zendesk(OAuth2Provider):
    """https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/ — set ``HOST``
    to the host of your account, such as ``example.zendesk.com``. A revocation is a DELETE request:
    Zendesk has the scope ``write`` for such requests."""

    documentation = "https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/"
    checked = "2026-11"
    registration_url = "https://support.zendesk.com/hc/en-us/articles/4408845965210"
    host: str = ""
    place_kind = HostPlace(
        suffixes=[".zendesk.com"], label="[a-z0-9_-]+", example="acme.zendesk.com"
    )
    # Zendesk makes a client global on request:
    # https://developer.zendesk.com/documentation/marketplace/building-a-marketplace-app/set-up-a-global-oauth-client/
    one_client = True
    base_url = "https://{host}/api/v2/"
    authorization_url = "https://{host}/oauth/authorizations/new"
    token_url = "https://{host}/oauth/tokens"
    # https://developer.zendesk.com/documentation/api-basics/authentication/revoking-oauth-token
    revocation_url = "https://{host}/api/v2/oauth/tokens/current.json"
    revocation_auth = "token"
    revocation_method = "DELETE"
    revocation_param = ""
    client_auth = "post"
    token_request_format = "json"
    scope = "read"
    scope_required = True
    # https://support.zendesk.com/hc/en-us/articles/9182123625370
    refresh_rotates = True
    refresh_token_lifetime = 30
    account_url = "users/me.json"
    account_id = "user.id"
    account_label = "user.name"
