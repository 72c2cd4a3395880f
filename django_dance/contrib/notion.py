from ..providers import OAuth2Provider


class Notion(OAuth2Provider):
    """https://developers.notion.com/guides/authorization/overview — Notion has no scopes: you
    choose the capabilities when you register the integration."""

    documentation = "https://developers.notion.com/guides/authorization/overview"
    checked = "2026-11"
    registration_url = "https://app.notion.com/developers/connections"
    base_url = "https://api.notion.com/v1/"
    authorization_url = "https://api.notion.com/v1/oauth/authorize"
    authorization_url_params = {"owner": "user"}
    # https://developers.notion.com/reference/create-a-token
    token_url = "https://api.notion.com/v1/oauth/token"
    token_request_format = "json"
    # https://developers.notion.com/reference/refresh-a-token
    refresh_rotates = True
    # https://github.com/makenotion/notion-sdk-js/blob/HEAD/src/api-endpoints/oauth.ts
    revocation_url = "https://api.notion.com/v1/oauth/revoke"
    revocation_params = {"token": "access_token"}
    request_headers = {"Notion-Version": "{api_version}"}
    account_url = "users/me"
    account_id = "bot.owner.user.id"
    account_label = "bot.owner.user.name"
    # A token is for one workspace of the user:
    # https://developers.notion.com/changelog/oauth-token-response-now-includes-more-info-about-the-workspace
    account_workspace = "workspace_id"
    account_workspace_label = "workspace_name"
    # PKCE is tolerated; this client sends it: https://github.com/pocketbase/pocketbase/blob/HEAD/tools/auth/notion.go
    unconfirmed = ("pkce",)

    #: The version of the API.
    api_version = "2022-06-28"
