from django.utils.translation import gettext_lazy as _

from ..providers import OAuth2Provider


class GitHub(OAuth2Provider):
    """https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps

    Add ``offline_access`` to ``SCOPE`` to get tokens that expire, with refresh tokens.
    For GitHub Enterprise Server set ``HOST``, and ``BASE_URL`` to ``https://<host>/api/v3/``."""

    documentation = (
        "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps"
    )
    registration_url = "https://github.com/settings/developers"
    host = "github.com"
    base_url = "https://api.github.com/"
    api_origins = ("https://uploads.github.com",)
    authorization_url = "https://{host}/login/oauth/authorize"
    token_url = "https://{host}/login/oauth/access_token"
    client_auth = "post"
    device_authorization_url = "https://{host}/login/device/code"
    # https://docs.github.com/en/rest/apps/oauth-applications#delete-an-app-token
    revocation_url = "applications/{{client_id}}/token"
    revocation_auth = "basic"
    revocation_method = "DELETE"
    revocation_params = {"access_token": "access_token"}
    revocation_request_format = "json"
    # https://github.com/github/github-mcp-server/blob/HEAD/pkg/http/oauth/oauth.go
    issuer = "https://{host}/login/oauth"
    # https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
    scope_implies = {
        "repo": ("repo:status", "repo_deployment", "public_repo", "repo:invite", "security_events"),
        "admin:*": ("write:*",),
        "write:*": ("read:*",),
        "user": ("read:user", "user:email", "user:follow"),
        "project": ("read:project",),
    }
    scope_words = {
        "repo": _("Read and change your repositories, the private ones too"),
        "public_repo": _("Read and change your public repositories"),
        "read:user": _("Read your profile"),
        "user": _("Read and change your profile"),
        "user:email": _("Read your e-mail addresses"),
        "gist": _("Create and change gists"),
        "notifications": _("Read your notifications, and mark them as read"),
        "read:org": _("See your organizations and teams"),
        "workflow": _("Change the workflows of GitHub Actions"),
    }
    # A refresh token can be used once, by GitHub Apps and by OAuth apps. For GitHub Apps:
    # https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens
    refresh_rotates = True
    refresh_token_lifetime = 180
    # https://docs.github.com/en/apps/oauth-apps/maintaining-oauth-apps/troubleshooting-oauth-app-access-token-request-errors
    refusals = {
        "dead": ("bad_refresh_token", "bad_verification_code"),
        "client": ("incorrect_client_credentials",),
    }
    account_url = "user"
    account_id = "id"
    account_label = "login"
    # https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/best-practices-for-creating-an-oauth-app
    permanent_account_ids = ("id",)
    # The page of the documentation, and
    # https://github.blog/changelog/2024-06-07-account-picker-updates-for-oauth-and-github-app-sign-in/
    choose_account_params = {"prompt": "select_account", "login": "{label}"}
