from ..providers import OAuth2Provider


class Klaviyo(OAuth2Provider):
    """https://developers.klaviyo.com/en/docs/set_up_oauth — set ``REVISION`` to the version of the
    API that your site was written for."""

    documentation = "https://developers.klaviyo.com/en/docs/set_up_oauth"
    # A page of the documentation
    registration_url = "https://developers.klaviyo.com/en/docs/create_a_public_oauth_app"
    base_url = "https://a.klaviyo.com/api/"
    authorization_url = "https://www.klaviyo.com/oauth/authorize"
    token_url = "https://a.klaviyo.com/oauth/token"
    revocation_url = "https://a.klaviyo.com/oauth/revoke"
    scope = "accounts:read"
    request_headers = {"revision": "{revision}"}
    account_url = "accounts/"
    account_id = "data.0.id"
    account_label = "data.0.attributes.contact_information.organization_name"
    # The version: https://developers.klaviyo.com/en/v2023-10-15/docs/set-up-oauth names it
    unconfirmed = ("refresh_rotates",)

    #: The version of the API, a date.
    revision = "2026-01-15"
