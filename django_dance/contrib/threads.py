from ..providers import OAuth2Provider


class Threads(OAuth2Provider):
    """https://developers.facebook.com/documentation/threads/get-started/get-access-tokens-and-permissions
    — the token of the dance is exchanged for one that lives 60 days. It is refreshed in its last 30
    days. If no call is made in these days, run ``dance_check``."""

    documentation = (
        "https://developers.facebook.com/documentation/threads/"
        "get-started/get-access-tokens-and-permissions"
    )
    checked = "2026-11"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/facebook.rst
    registration_url = "https://developers.facebook.com/apps/"
    base_url = "https://graph.threads.com/v1.0/"
    api_origins = ("https://graph.threads.net",)  # the former host
    authorization_url = "https://threads.com/oauth/authorize"
    # https://developers.facebook.com/documentation/threads/get-started/app-access-tokens
    token_url = "https://graph.threads.com/oauth/access_token"
    client_auth = "post"
    # https://developers.facebook.com/docs/threads/get-started/long-lived-tokens
    exchange_url = "https://graph.threads.net/access_token"
    exchange_params = {
        "grant_type": "th_exchange_token",
        "client_secret": "{client_secret}",
        "access_token": "{access_token}",
    }
    auto_refresh_url = "https://graph.threads.net/refresh_access_token"
    refresh_params = {"grant_type": "th_refresh_token", "access_token": "{access_token}"}
    refresh_days_ahead = 30
    scope = "threads_basic"
    scope_required = True
    scope_separator = ","
    # https://developers.facebook.com/docs/graph-api/guides/error-handling/
    refusals = {"dead": ("190",)}
    token_over = {"error.code": ("190",)}
    # https://developers.facebook.com/documentation/threads/threads-profiles
    account_url = "me?fields=id,username"
    account_id = "id"
    account_label = "username"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
