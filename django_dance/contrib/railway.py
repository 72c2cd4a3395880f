from ..providers import OAuth2Provider


class Railway(OAuth2Provider):
    """https://docs.railway.com/integrations/oauth — to get refresh tokens, add ``offline_access``
    to ``SCOPE`` and set ``REPROMPT_CONSENT``. The API is GraphQL:
    ``post("graphql/v2", json={"query": "…"})``."""

    # https://github.com/railwayapp/docs/tree/HEAD/content/docs/integrations/oauth
    documentation = "https://docs.railway.com/integrations/oauth/login-and-tokens"
    checked = "2026-11"
    registration_url = "https://docs.railway.com/integrations/oauth/creating-an-app"
    base_url = "https://backboard.railway.com/"
    authorization_url = "https://backboard.railway.com/oauth/auth"
    token_url = "https://backboard.railway.com/oauth/token"
    issuer = "https://backboard.railway.com"
    scope = ("openid", "profile")
    scope_required = True
    refresh_rotates = True
    refresh_token_lifetime = 365
    account_url = "oauth/me"
    account_id = "sub"
    # "unique, stable": https://docs.railway.com/integrations/oauth/scopes-and-user-consent
    permanent_account_ids = ("sub",)
    account_label = "name"

    #: Ask again even if the user has consented before.
    reprompt_consent = False

    authorization_url_options = {"reprompt_consent": {"prompt": "consent"}}
