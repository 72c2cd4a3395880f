from ..providers import OAuth2Provider


class Zoho(OAuth2Provider):
    """https://www.zoho.com/crm/developer/docs/api/v8/oauth-overview.html — the token names the data
    centre of the account and the URL of the API. To begin a dance at another data centre than that
    in the United States, set ``HOST``, such as ``accounts.zoho.com.cn``. In Zoho's API console,
    choose the same secret for all data centres. Keep ``aaaserver.profile.READ`` in ``SCOPE``, so
    that the account can be determined. A token for Zoho CRM is for one organization of the user. To
    keep the tokens of several, set ``ACCOUNT_URL`` to ``crm/v8/users?type=CurrentUser``,
    ``ACCOUNT_ID`` to ``users.0.id`` and ``ACCOUNT_LABEL`` to ``users.0.email``."""

    documentation = "https://www.zoho.com/crm/developer/docs/api/v8/oauth-overview.html"
    checked = "2026-11"
    # https://www.zoho.com/sign/api/api-endpoint.html
    registration_url = "https://api-console.zoho.com/"
    host = "accounts.zoho.com"
    # https://www.zoho.com/accounts/protocol/oauth/multi-dc/client-authorization.html
    callback_fields = ("accounts-server",)
    host_from_token = "accounts-server"
    hosts = (
        *(f"accounts.zoho.{place}" for place in ("com", "eu", "in", "com.au", "jp")),
        *("accounts.zohocloud.ca", "accounts.zoho.sa", "accounts.zoho.uk", "accounts.zoho.com.cn"),
        "accounts.zoho.ae",
    )
    base_url = "https://www.zohoapis.com/"
    base_url_from_token = "{api_domain}"
    # All but that of the United Kingdom:
    # https://www.zoho.com/workdrive/developer/docs/api/v1/getting-started-multi-dc-support.html
    # https://www.zoho.com/accounts/protocol/oauth/web-apps/access-token.html has api.zoho.com.
    base_url_domains = tuple(
        f"{domain}.{place}"
        for domain in ("zohoapis", "zoho")
        for place in ("com", "eu", "in", "com.au", "jp", "ca", "sa", "com.cn", "uk", "ae")
    )
    authorization_url = "https://{host}/oauth/v2/auth"
    # PKCE: https://www.zoho.com/accounts/protocol/oauth/mobile-applications.html
    token_url = "https://{host}/oauth/v2/token"
    revocation_url = "https://{host}/oauth/v2/token/revoke"
    client_auth = "post"
    scope = ("ZohoCRM.users.ALL", "aaaserver.profile.READ")
    scope_required = True
    scope_separator = ","
    refresh_rotates = False
    authorization_scheme = "Zoho-oauthtoken"
    refusals = {
        # https://help.zoho.com/portal/en/community/topic/kaizen-43-tokens-and-limitations
        "busy": (
            "Access Denied",
            "You have made too many requests continuously. Please try again after some time.",
        ),
        "dead": ("invalid_code",),
        "client": ("invalid_client_secret",),
    }
    account_url = "https://{host}/oauth/user/info"
    account_id = "ZUID"
    account_label = "Display_Name"
    unconfirmed = ("base_url_domains",)

    #: Ask for a refresh token.
    offline = False
    #: Ask again even if the user has consented before.
    reprompt_consent = False
    #: ``"online"`` or ``"offline"``. The option ``offline`` sets it to ``"offline"``.
    access_type = "online"

    option_facts = {"offline": {"access_type": "offline"}}
    authorization_url_options = {
        "access_type": {"access_type": "{access_type}"},
        "reprompt_consent": {"prompt": "consent"},
    }
