from ..providers import OAuth2Provider


class SurveyMonkey(OAuth2Provider):
    """https://api.surveymonkey.com/v3/docs — you choose the scopes when you register the
    application. Choose *View Users*, so that the account can be determined. The token names the URL
    of the API."""

    documentation = "https://api.surveymonkey.com/v3/docs"
    checked = "2026-11"
    registration_url = "https://developer.surveymonkey.com/apps/"
    base_url = "https://api.surveymonkey.com/v3/"
    base_url_from_token = "{access_url}/v3/"
    base_url_domains = ("api.surveymonkey.com", "api.eu.surveymonkey.com", "api.surveymonkey.ca")
    authorization_url = "https://api.surveymonkey.com/oauth/authorize"
    token_url = "https://api.surveymonkey.com/oauth/token"
    # Its tokens live long and cannot be refreshed.
    auto_refresh_url = None
    client_auth = "post"
    # Not documented, and reported not to work.
    # https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    pkce = None
    account_url = "users/me"
    account_id = "id"
    account_label = "username"
