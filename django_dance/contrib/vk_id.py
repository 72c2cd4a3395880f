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
    # The documentation names id.vk.com, too. Newer clients use this host:
    # https://github.com/pennersr/django-allauth/blob/HEAD/allauth/socialaccount/providers/vk/views.py
    host = "id.vk.ru"
    base_url = "https://api.vk.com/method/"
    authorization_url = "https://{host}/authorize"
    token_url = "https://{host}/oauth2/auth"
    revocation_url = "https://{host}/oauth2/revoke"
    revocation_auth = "none"
    revocation_method = "POST"
    revocation_params = {"client_id": "client_id", "access_token": "access_token"}
    client_auth = "none"
    # The callback names the visitor's device, which is a parameter of both requests.
    callback_fields = ("device_id",)
    sent_callback_fields = ("device_id",)
    # A refresh request must have a state, too; it protects nothing there.
    auto_refresh_kwargs = {"state": "0" * 32}
    scope = "vkid.personal_info"
    # The token itself names the account.
    account_id = "user_id"
    unconfirmed = ("auto_refresh_kwargs", "refresh_rotates", "registration_url", "revocation_url")
