from ..providers import OAuth2Provider


class Airtable(OAuth2Provider):
    """https://airtable.com/developers/web/api/oauth-reference — if your integration has no secret,
    set ``CLIENT_AUTH`` to ``"none"``. The account has a label only if ``user.email:read`` is
    granted."""

    documentation = "https://airtable.com/developers/web/api/oauth-reference"
    checked = "2026-11"
    registration_url = "https://airtable.com/create/oauth"
    base_url = "https://api.airtable.com/v0/"
    # https://airtable.com/developers/web/api/upload-attachment
    api_origins = ("https://content.airtable.com",)
    authorization_url = "https://airtable.com/oauth2/v1/authorize"
    token_url = "https://airtable.com/oauth2/v1/token"
    scope = "schema.bases:read"
    scope_required = True
    # https://github.com/Airtable/oauth-example/blob/HEAD/index.js: a refresh token can be used once
    refresh_rotates = True
    refresh_token_lifetime = 60
    # https://airtable.com/developers/web/api/get-user-id-scopes
    account_url = "meta/whoami"
    account_id = "id"
    account_label = "email"
