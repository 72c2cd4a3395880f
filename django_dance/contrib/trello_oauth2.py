from ..providers import OAuth2Provider


class TrelloOAuth2(OAuth2Provider):
    """https://developer.atlassian.com/cloud/trello/guides/rest-api/oauth-2-confidential-client-usage/
    — choose a confidential client. Add ``offline_access`` to ``SCOPE`` to get a refresh token. Keep
    ``read:member:trello`` in it, so that the account can be determined."""

    documentation = "https://developer.atlassian.com/cloud/trello/guides/rest-api/oauth-2-confidential-client-usage/"
    checked = "2026-11"
    registration_url = "https://trello.com/power-ups/admin"
    label = "Trello (OAuth 2)"
    base_url = "https://api.trello.com/1/"
    # The page compares it with Atlassian's OAuth 2.0, whose endpoints and rotation it has:
    # https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/
    authorization_url = "https://auth.atlassian.com/authorize"
    token_url = "https://auth.atlassian.com/oauth/token"
    client_auth = "post"
    # https://developer.atlassian.com/cloud/trello/scopes-for-oauth-2-3LO-and-forge-apps/
    scope = "read:member:trello"
    # https://github.com/rwjdk/trello-dotnet/wiki/OAuth-2.0
    refresh_rotates = True
    refresh_token_lifetime = 90
    # The words of the same endpoint in the preset ``atlassian``
    refusals = {
        "dead": ("unauthorized_client: refresh_token is invalid",),
        "client": ("access_denied: Unauthorized",),
    }
    account_url = "members/me"
    account_id = "id"
    account_label = "fullName"

    #: Ask again even if the user has consented before. The documentation requires it.
    reprompt_consent = True

    authorization_url_options = {"reprompt_consent": {"prompt": "consent"}}
