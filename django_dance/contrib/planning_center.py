from ..providers import OAuth2Provider


class PlanningCenter(OAuth2Provider):
    """https://api.planningcenteronline.com/docs/overview/authentication — keep ``people`` in
    ``SCOPE``, so that the account can be determined."""

    documentation = "https://api.planningcenteronline.com/docs/overview/authentication"
    checked = "2026-11"
    # https://github.com/NangoHQ/nango/blob/HEAD/docs/api-integrations/planning-center-online/how-to-register-your-own-planning-center-oauth-app.mdx
    registration_url = "https://api.planningcenteronline.com/oauth/applications"
    label = "Planning Center"
    base_url = "https://api.planningcenteronline.com/"
    authorization_url = "https://api.planningcenteronline.com/oauth/authorize"
    # PKCE: https://github.com/pocketbase/pocketbase/blob/HEAD/tools/auth/planningcenter.go
    token_url = "https://api.planningcenteronline.com/oauth/token"
    client_auth = "post"
    scope = "people"
    account_url = "people/v2/me"
    account_id = "data.id"
    account_label = "data.attributes.name"
    unconfirmed = ("refresh_rotates",)
