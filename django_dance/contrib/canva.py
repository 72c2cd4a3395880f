from ..providers import OAuth2Provider


class Canva(OAuth2Provider):
    """https://www.canva.dev/docs/connect/authentication/ — ``SCOPE`` must name
    scopes that you have chosen for the integration."""

    documentation = "https://www.canva.dev/docs/connect/authentication/"
    checked = "2026-11"
    # https://github.com/canva-sdks/canva-connect-api-starter-kit/blob/HEAD/README.md
    registration_url = "https://www.canva.com/developers/integrations/connect-api"
    base_url = "https://api.canva.com/rest/v1/"
    authorization_url = "https://www.canva.com/api/oauth/authorize"
    # https://www.canva.dev/docs/connect/api-reference/authentication/generate-access-token/
    token_url = "https://api.canva.com/rest/v1/oauth/token"
    # https://www.canva.dev/docs/connect/api-reference/authentication/revoke-token/
    revocation_url = "https://api.canva.com/rest/v1/oauth/revoke"
    # The page of token_url: each refresh answers with a new refresh token.
    refresh_rotates = True
    # https://github.com/canva-sdks/canva-connect-api-starter-kit/blob/HEAD/openapi/spec.yml
    refusals = {"client": ("invalid_access_token: client secret is invalid",)}
    # https://www.canva.dev/docs/connect/appendix/scopes/
    scope = "profile:read"
    # https://www.canva.dev/docs/connect/api-reference/users/users-me/: it needs no scope
    account_url = "users/me"
    account_id = "team_user.user_id"
    # A user can be in several teams:
    # https://www.canva.dev/docs/apps/platform-concepts-teams-groups-and-users/
    account_workspace = "team_user.team_id"
