from ..providers import OAuth2Provider


class GitHub(OAuth2Provider):
    """https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps

    For GitHub Enterprise Server set ``HOST``, and ``BASE_URL`` to ``https://<host>/api/v3/``.
    """

    documentation = (
        "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps"
    )
    host = "github.com"
    base_url = "https://api.github.com/"
    api_origins = ("https://uploads.github.com",)
    authorization_url = "https://{host}/login/oauth/authorize"
    token_url = "https://{host}/login/oauth/access_token"
