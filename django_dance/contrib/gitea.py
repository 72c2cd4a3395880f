from ..providers import ANY_PATH, HostPlace, OAuth2Provider


class Gitea(OAuth2Provider):
    """https://docs.gitea.com/development/oauth2-provider — set ``HOST`` to use your own server. The
    preset also supports Forgejo, for example ``codeberg.org``. Register your site at the server's
    ``/user/settings/applications``."""

    documentation = "https://docs.gitea.com/development/oauth2-provider"
    checked = "2026-11"
    registration_url = "https://gitea.com/user/settings/applications"
    host = "gitea.com"
    place_kind = HostPlace(path=ANY_PATH, example="codeberg.org")
    base_url = "https://{host}/api/v1/"
    authorization_url = "https://{host}/login/oauth/authorize"
    # It reads the credentials from the body, or else from the Authorization header:
    # https://github.com/go-gitea/gitea/blob/HEAD/routers/web/auth/oauth2_provider.go
    token_url = "https://{host}/login/oauth/access_token"
    scope = "read:user"
    account_url = "user"
    account_id = "id"
    account_label = "login"
    # A setting of the server decides whether a refresh token can be used again.
    # INVALIDATE_REFRESH_TOKENS: https://docs.gitea.com/administration/config-cheat-sheet
    refresh_rotates = None
