from django.utils.translation import gettext_lazy as _

from ..providers import OIDCProvider


class Google(OIDCProvider):
    """https://developers.google.com/identity/protocols/oauth2/web-server

    ``HOSTED_DOMAIN`` only preselects accounts of this domain. A visitor can use another
    account: check ``hd`` in the ID token or the userinfo before you rely on the domain.
    """

    documentation = "https://developers.google.com/identity/protocols/oauth2/web-server"
    registration_url = "https://console.cloud.google.com/auth/clients"
    base_url = "https://www.googleapis.com/"
    # https://accounts.google.com/.well-known/openid-configuration
    authorization_url = "https://accounts.google.com/o/oauth2/v2/auth"
    token_url = "https://oauth2.googleapis.com/token"
    revocation_url = "https://oauth2.googleapis.com/revoke"
    device_authorization_url = "https://oauth2.googleapis.com/device/code"
    jwks_url = "https://www.googleapis.com/oauth2/v3/certs"
    userinfo_url = "https://openidconnect.googleapis.com/v1/userinfo"
    issuer = "https://accounts.google.com"
    scope = "https://www.googleapis.com/auth/userinfo.profile"
    scope_required = True
    refresh_rotates = False
    # https://developers.google.com/identity/protocols/oauth2#expiration: six months without use
    refresh_token_lifetime = 180
    # The answer has the long names, whichever were asked for:
    # https://developers.google.com/identity/protocols/oauth2/scopes#openid-connect
    scope_implies = {"https://www.googleapis.com/auth/userinfo.*": ("*",)}
    scope_words = {
        "https://www.googleapis.com/auth/userinfo.profile": _("See your name and your profile"),
        "https://www.googleapis.com/auth/userinfo.email": _("See your e-mail address"),
    }
    choose_account_params = {"prompt": "select_account", "login_hint": "{id}"}

    #: Ask for a refresh token.
    offline = False
    #: Ask again even if the user has consented before.
    reprompt_consent = False
    #: Let the user choose the account even if the user has only one.
    reprompt_select_account = False
    #: The domain of a Google Workspace whose accounts are preselected.
    hosted_domain: str | None = None

    authorization_url_options = {
        "offline": {"access_type": "offline"},
        "reprompt_consent": {"prompt": "consent"},
        "reprompt_select_account": {"prompt": "select_account"},
        "hosted_domain": {"hd": "{hosted_domain}"},
    }
