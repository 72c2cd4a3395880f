from ..providers import OAuth2Provider


class Atlassian(OAuth2Provider):
    """https://developer.atlassian.com/cloud/confluence/oauth-2-3lo-apps/ — add ``offline_access``
    to ``SCOPE`` to get a refresh token. Add the User Identity API to your application, and keep its
    scope ``read:me`` in ``SCOPE``, so that the account can be determined."""

    documentation = "https://developer.atlassian.com/cloud/confluence/oauth-2-3lo-apps/"
    checked = "2026-11"
    registration_url = "https://developer.atlassian.com/console/myapps/"
    base_url = "https://api.atlassian.com/"
    authorization_url = "https://auth.atlassian.com/authorize"
    authorization_url_params = {"audience": "api.atlassian.com"}
    token_url = "https://auth.atlassian.com/oauth/token"
    # The page sends JSON. The endpoint accepts forms, too: Flask-Dance sends one.
    client_auth = "post"
    # The least scope for account_url
    scope = "read:me"
    scope_required = True
    refresh_rotates = True
    refresh_token_lifetime = 90
    # https://github.com/raycast/extensions/issues/11836 and, for a wrong secret,
    # https://github.com/Meridiona/meridian/pull/218
    refusals = {
        "dead": ("unauthorized_client: refresh_token is invalid",),
        "client": ("access_denied: Unauthorized",),
    }
    account_url = "me"
    account_id = "account_id"
    account_label = "name"
    unconfirmed = ("pkce",)

    #: Ask again even if the user has consented before. The documentation requires it.
    reprompt_consent = True

    authorization_url_options = {"reprompt_consent": {"prompt": "consent"}}
