from ..providers import OAuth2Provider


class SurveyMonkey(OAuth2Provider):
    """https://api.surveymonkey.com/v3/docs — scopes are set where the application is registered;
    the API's address comes with the token."""

    documentation = "https://api.surveymonkey.com/v3/docs"
    registration_url = "https://developer.surveymonkey.com/apps/"
    base_url = "https://api.surveymonkey.com/v3/"
    base_url_from_token = "{access_url}/v3/"
    base_url_domains = ("api.surveymonkey.com", "api.eu.surveymonkey.com", "api.surveymonkey.ca")
    authorization_url = "https://api.surveymonkey.com/oauth/authorize"
    token_url = "https://api.surveymonkey.com/oauth/token"
    # Its tokens live long, and are not refreshed.
    auto_refresh_url = None
    client_auth = "post"
    # Not documented, and said not to work.
    pkce = None
    account_url = "users/me"
    account_id = "id"
    account_label = "username"
    unconfirmed = ("pkce",)
