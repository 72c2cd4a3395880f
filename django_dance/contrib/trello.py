from ..providers import OAuth1Provider


class Trello(OAuth1Provider):
    """https://developer.atlassian.com/cloud/trello/guides/rest-api/authorization/ — ``client_id``
    is the API key; add your site to its allowed origins. Trello shows ``APP_NAME`` to the visitor
    as the name of your application. Trello supports OAuth 2, too: see the preset
    ``trello_oauth2``."""

    documentation = "https://developer.atlassian.com/cloud/trello/guides/rest-api/authorization/"
    registration_url = "https://trello.com/power-ups/admin"
    base_url = "https://api.trello.com/1/"
    request_token_url = "https://trello.com/1/OAuthGetRequestToken"
    authorization_url = "https://trello.com/1/OAuthAuthorizeToken"
    access_token_url = "https://trello.com/1/OAuthGetAccessToken"
    account_url = "members/me"
    account_id = "id"
    account_label = "fullName"

    #: ``read``, ``write`` and ``account``, separated by commas.
    access: str = "read"
    #: The lifetime of the token: ``1hour``, ``1day``, ``30days`` or ``never``.
    expiration: str = "never"
    app_name: str | None = None

    authorization_url_options = {
        "access": {"scope": "{access}"},
        "expiration": {"expiration": "{expiration}"},
        "app_name": {"name": "{app_name}"},
    }
