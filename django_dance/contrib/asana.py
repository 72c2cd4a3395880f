from ..providers import OAuth2Provider


class Asana(OAuth2Provider):
    """https://developers.asana.com/docs/oauth — an application with full permissions requests no
    scope. Any other application needs the scope ``users:read``, so that the account can be
    determined."""

    documentation = "https://developers.asana.com/docs/oauth"
    # https://github.com/Asana/devrel-examples/blob/HEAD/python/summary_task/python-asana_v5/README.md
    registration_url = "https://app.asana.com/0/my-apps"
    base_url = "https://app.asana.com/api/1.0/"
    authorization_url = "https://app.asana.com/-/oauth_authorize"
    token_url = "https://app.asana.com/-/oauth_token"
    revocation_url = "https://app.asana.com/-/oauth_revoke"
    client_auth = "post"
    # PKCE: https://github.com/Asana/devrel-examples/tree/HEAD/javascript/pkce_oauth
    # A refresh returns no refresh token, and the revocation takes the refresh token:
    # https://github.com/Asana/developer-docs/blob/HEAD/source/includes/markdown/_auth.html.md
    refresh_rotates = False
    # https://github.com/Asana/openapi/blob/HEAD/defs/asana_oas.yaml: getUser, and the scopes
    account_url = "users/me"
    account_id = "data.gid"
    account_label = "data.name"
