from ..providers import OAuth2Provider


class JiraOAuth2(OAuth2Provider):
    """https://confluence.atlassian.com/adminjiraserver/jira-oauth-2-0-provider-api-1115659070.html
    — Jira Data Center. Set ``BASE_URL`` to your server's URL. For write access set ``SCOPE`` to
    ``WRITE``."""

    documentation = (
        "https://confluence.atlassian.com/adminjiraserver/"
        "jira-oauth-2-0-provider-api-1115659070.html"
    )
    checked = "2026-11"
    # An administrator of the server registers the site, as the page describes.
    registration_url = documentation
    label = "Jira (OAuth 2)"
    authorization_url = "rest/oauth2/latest/authorize"
    token_url = "rest/oauth2/latest/token"
    revocation_url = "rest/oauth2/latest/revoke"
    client_auth = "post"
    scope = "READ"
    scope_required = True
    refresh_rotates = True
    refresh_redirect_uri = True
    account_url = "rest/api/2/myself"
    account_id = "key"
    account_label = "displayName"
    unconfirmed = ("revocation_url",)
