from ..providers import OAuth2Provider


class Figma(OAuth2Provider):
    """https://developers.figma.com/docs/rest-api/oauth-apps/"""

    documentation = "https://developers.figma.com/docs/rest-api/oauth-apps/"
    checked = "2026-11"
    registration_url = "https://www.figma.com/developers/apps"
    base_url = "https://api.figma.com/"
    # https://github.com/figma/rest-api-spec/blob/HEAD/openapi/openapi.yaml
    authorization_url = "https://www.figma.com/oauth"
    token_url = "https://api.figma.com/v1/oauth/token"
    auto_refresh_url = "https://api.figma.com/v1/oauth/refresh"
    scope = "current_user:read"
    refresh_rotates = False
    account_url = "v1/me"
    account_id = "id"
    account_label = "handle"
