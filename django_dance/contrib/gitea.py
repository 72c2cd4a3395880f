from ..providers import OAuth2Provider


class Gitea(OAuth2Provider):
    """https://docs.gitea.com/development/oauth2-provider — set ``HOST`` for your own server. It
    serves Forgejo too, as at ``codeberg.org``. Register at its ``/user/settings/applications``."""

    documentation = "https://docs.gitea.com/development/oauth2-provider"
    registration_url = "https://gitea.com/user/settings/applications"
    host = "gitea.com"
    base_url = "https://{host}/api/v1/"
    authorization_url = "https://{host}/login/oauth/authorize"
    token_url = "https://{host}/login/oauth/access_token"
    scope = "read:user"
    account_url = "user"
    account_id = "id"
    account_label = "login"
    # Whether a refresh token can be used again is a setting of the server.
    unconfirmed = ("refresh_rotates",)
