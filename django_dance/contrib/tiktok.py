from ..providers import OAuth2Provider


class TikTok(OAuth2Provider):
    """https://developers.tiktok.com/doc/oauth-user-access-token-management/"""

    documentation = "https://developers.tiktok.com/doc/oauth-user-access-token-management/"
    checked = "2026-11"
    # https://github.com/chillerlan/php-oauth/blob/HEAD/src/Providers/TikTok.php
    registration_url = "https://developers.tiktok.com/apps/"
    base_url = "https://open.tiktokapis.com/v2/"
    # https://developers.tiktok.com/doc/login-kit-web
    authorization_url = "https://www.tiktok.com/v2/auth/authorize/"
    token_url = "https://open.tiktokapis.com/v2/oauth/token/"
    revocation_url = "https://open.tiktokapis.com/v2/oauth/revoke/"
    # https://developers.tiktok.com/docs/en/oauth-revoke-a-user-access-token
    revocation_token = "access_token"
    client_auth = "post"
    client_id_param = "client_key"
    # https://developers.tiktok.com/docs/en/oauth-refresh-a-user-access-token
    refresh_rotates = True
    # https://developers.tiktok.com/docs/zh-Hans/oauth-user-access-token-management
    refresh_token_lifetime = 180
    scope = "user.info.basic"
    scope_separator = ","
    # https://developers.tiktok.com/doc/tiktok-api-v2-get-user-info
    account_url = "user/info/?fields=open_id,display_name"
    account_id = "data.user.open_id"
    account_label = "data.user.display_name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
