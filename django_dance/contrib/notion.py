from ..providers import OAuth2Provider


class Notion(OAuth2Provider):
    """https://developers.notion.com/docs/authorization — Notion has no scopes: you choose the
    capabilities when you register the integration."""

    documentation = "https://developers.notion.com/docs/authorization"
    registration_url = "https://www.notion.so/my-integrations"
    base_url = "https://api.notion.com/v1/"
    authorization_url = "https://api.notion.com/v1/oauth/authorize"
    authorization_url_params = {"owner": "user"}
    token_url = "https://api.notion.com/v1/oauth/token"
    token_request_format = "json"
    # https://developers.notion.com/reference/refresh-a-token
    refresh_rotates = True
    revocation_url = "https://api.notion.com/v1/oauth/revoke"
    revocation_token = "access_token"
    request_headers = {"Notion-Version": "{api_version}"}
    account_url = "users/me"
    account_id = "bot.owner.user.id"
    account_label = "bot.owner.user.name"
    unconfirmed = ("pkce", "registration_url")

    #: The version of the API.
    api_version = "2022-06-28"
