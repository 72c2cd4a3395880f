from ..providers import OAuth2Provider


class Kick(OAuth2Provider):
    """https://docs.kick.com/getting-started/generating-tokens-oauth2-flow"""

    documentation = "https://docs.kick.com/getting-started/generating-tokens-oauth2-flow"
    checked = "2026-11"
    # https://docs.kick.com/getting-started/kick-apps-setup
    registration_url = "https://kick.com/settings/developer"
    base_url = "https://api.kick.com/public/v1/"
    authorization_url = "https://id.kick.com/oauth/authorize"
    token_url = "https://id.kick.com/oauth/token"
    revocation_url = "https://id.kick.com/oauth/revoke"
    revocation_auth = "none"
    revocation_request_format = "query"
    client_auth = "post"
    # Each refresh grants a new refresh token, and the old one can be used again:
    # https://github.com/KickEngineering/KickDevDocs/blob/HEAD/README.md
    refresh_rotates = None
    # https://docs.kick.com/getting-started/scopes
    scope = "user:read"
    scope_required = True
    # https://api.kick.com/swagger/doc.yaml
    account_url = "users"
    account_id = "data.0.user_id"
    account_label = "data.0.name"
