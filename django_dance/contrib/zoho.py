from ..providers import OAuth2Provider


class Zoho(OAuth2Provider):
    """https://www.zoho.com/crm/developer/docs/api/v8/oauth-overview.html — set ``HOST`` for another
    data centre, such as ``accounts.zoho.eu``; the API's address comes with the token. To be asked
    whose token it is, add ``aaaserver.profile.READ`` to the scope."""

    documentation = "https://www.zoho.com/crm/developer/docs/api/v8/oauth-overview.html"
    registration_url = "https://api-console.zoho.com/"
    host = "accounts.zoho.com"
    base_url = "https://www.zohoapis.com/"
    base_url_from_token = "{api_domain}"
    base_url_domains = tuple(
        f"zohoapis.{place}"
        for place in ("com", "eu", "in", "com.au", "jp", "ca", "sa", "com.cn", "uk")
    )
    authorization_url = "https://{host}/oauth/v2/auth"
    token_url = "https://{host}/oauth/v2/token"
    revocation_url = "https://{host}/oauth/v2/token/revoke"
    client_auth = "post"
    scope = "ZohoCRM.users.all"
    scope_separator = ","
    refresh_rotates = False
    authorization_scheme = "Zoho-oauthtoken"
    account_url = "https://{host}/oauth/user/info"
    account_id = "ZUID"
    account_label = "Display_Name"
    unconfirmed = ("base_url_domains", "pkce", "registration_url")

    #: Ask for a refresh token.
    offline = False
    #: Ask again even if the user has consented before.
    reprompt_consent = False
    #: What ``offline`` makes ``"offline"``.
    access_type = "online"

    option_facts = {"offline": {"access_type": "offline"}}
    authorization_url_options = {
        "access_type": {"access_type": "{access_type}"},
        "reprompt_consent": {"prompt": "consent"},
    }
