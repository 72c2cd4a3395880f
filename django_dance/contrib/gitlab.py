from ..providers import OAuth2Provider


class GitLab(OAuth2Provider):
    """https://docs.gitlab.com/api/oauth2/ — set ``HOST`` for your own server, and ``CA_BUNDLE``
    if its certificate is of your own CA."""

    documentation = "https://docs.gitlab.com/api/oauth2/"
    host = "gitlab.com"
    base_url = "https://{host}/api/v4/"
    authorization_url = "https://{host}/oauth/authorize"
    token_url = "https://{host}/oauth/token"
    revocation_url = "https://{host}/oauth/revoke"
