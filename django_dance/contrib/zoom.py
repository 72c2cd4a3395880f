from ..providers import OAuth2Provider


class Zoom(OAuth2Provider):
    """https://developers.zoom.us/docs/integrations/oauth/ — you choose the scopes when you register
    the application. ``user:read:user`` is needed to determine the account."""

    documentation = "https://developers.zoom.us/docs/integrations/oauth/"
    checked = "2026-11"
    registration_url = "https://marketplace.zoom.us/"
    base_url = "https://api.zoom.us/v2/"
    authorization_url = "https://zoom.us/oauth/authorize"
    # PKCE: https://developers.zoom.us/blog/public-pkce/
    token_url = "https://zoom.us/oauth/token"
    # The access token ends the whole grant, and a refresh replaces the refresh token:
    # https://github.com/zoom/skills/blob/HEAD/skills/oauth/concepts/token-lifecycle.md
    revocation_url = "https://zoom.us/oauth/revoke"
    revocation_token = "access_token"
    refresh_rotates = True
    # https://developers.zoom.us/docs/api/users/
    # https://github.com/zoom/rivet-javascript/blob/HEAD/users/users.d.ts
    account_url = "users/me"
    account_id = "id"
    account_label = "display_name"
