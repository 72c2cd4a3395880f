from ..providers import OAuth2Provider


class Todoist(OAuth2Provider):
    """https://developer.todoist.com/api/v1/#tag/Authorization"""

    documentation = "https://developer.todoist.com/api/v1/#tag/Authorization"
    checked = "2026-11"
    registration_url = "https://app.todoist.com/app/settings/integrations/app-management"
    base_url = "https://api.todoist.com/api/v1/"
    authorization_url = "https://app.todoist.com/oauth/authorize"
    token_url = "https://api.todoist.com/oauth/access_token"
    # PKCE: https://github.com/Doist/todoist-cli/blob/HEAD/src/lib/auth-provider.ts
    revocation_url = "https://api.todoist.com/api/v1/revoke"
    revocation_auth = "basic"
    revocation_token = "access_token"
    client_auth = "post"
    scope = "data:read"
    scope_separator = ","
    scope_required = True
    scope_implies = {"data:read_write": ("data:read", "task:add")}
    # Older applications have tokens that do not expire, and no refresh tokens.
    refresh_rotates = True
    refusals = {
        "dead": ("bad_authorization_code",),
        "client": ("incorrect_application_credentials",),
    }
    account_url = "user"
    account_id = "id"
    account_label = "full_name"
