from ..providers import OAuth2Provider


class VKID(OAuth2Provider):
    """https://id.vk.com/about/business/go/docs/ru/vkid/latest/vk-id/connection/api-integration/api-description
    — the site is a public client and uses PKCE. Add ``email`` or ``phone`` to ``SCOPE``, separated
    by a space. Each call needs the parameter ``v``, the version of VK's API. ``HOST`` may be
    ``id.vk.com``."""

    documentation = (
        "https://id.vk.com/about/business/go/docs/ru/vkid/latest/vk-id/connection/"
        "api-integration/api-description"
    )
    checked = "2026-11"
    registration_url = "https://id.vk.com/about/business/go"
    label = "VK ID"
    # The documentation names id.vk.com, too. VK's own client uses this host:
    # https://github.com/VKCOM/vkid-android-sdk/blob/HEAD/sdk/core/network/src/main/kotlin/com/vk/id/network/InternalVKIDRealApi.kt
    host = "id.vk.ru"
    base_url = "https://api.vk.com/method/"
    authorization_url = "https://{host}/authorize"
    token_url = "https://{host}/oauth2/auth"
    # https://github.com/VKCOM/vkid-android-sdk/blob/HEAD/sample/app/src/main/java/com/vk/id/sample/app/util/VkIdNetworkHelper.kt
    revocation_url = "https://{host}/oauth2/revoke"
    revocation_auth = "none"
    revocation_method = "POST"
    revocation_params = {"client_id": "client_id", "access_token": "access_token"}
    client_auth = "none"
    # The callback names the visitor's device, which is a parameter of both requests.
    callback_fields = ("device_id",)
    sent_callback_fields = ("device_id",)
    # VK's client sends a state with a refresh, too, where it protects nothing:
    # https://github.com/VKCOM/vkid-web-sdk/blob/HEAD/src/auth/auth.ts
    auto_refresh_kwargs = {"state": "0" * 32}
    scope = "vkid.personal_info"
    # The token itself names the account: types.ts beside auth.ts says so.
    account_id = "user_id"
    # VK's clients write the method of PKCE as "s256". This one sends "S256", as RFC 7636 does:
    # https://github.com/pennersr/django-allauth/blob/HEAD/allauth/socialaccount/providers/vk/views.py
    unconfirmed = ("base_url", "pkce", "refresh_rotates", "registration_url", "scope")
