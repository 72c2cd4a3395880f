from ..providers import OAuth2Provider


class Calendly(OAuth2Provider):
    """https://developer.calendly.com/how-to-access-calendly-data-on-behalf-of-authenticated-users"""

    documentation = (
        "https://developer.calendly.com/"
        "how-to-access-calendly-data-on-behalf-of-authenticated-users"
    )
    # https://github.com/n8n-io/n8n-docs/blob/HEAD/docs/integrations/builtin/credentials/calendly.md
    registration_url = "https://developer.calendly.com/console/apps"
    base_url = "https://api.calendly.com/"
    authorization_url = "https://auth.calendly.com/oauth/authorize"
    token_url = "https://auth.calendly.com/oauth/token"
    revocation_url = "https://auth.calendly.com/oauth/revoke"
    client_auth = "post"
    refresh_rotates = True
    account_url = "users/me"
    # Calendly identifies users by the URLs of their records.
    account_id = "resource.uri"
    account_label = "resource.name"
