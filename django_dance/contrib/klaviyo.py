from ..providers import OAuth2Provider


class Klaviyo(OAuth2Provider):
    """https://developers.klaviyo.com/en/docs/set_up_oauth — set ``REVISION`` to the version of the
    API that your site was written for. The account is the company: register the application as
    company-scoped, which is the default."""

    documentation = "https://developers.klaviyo.com/en/docs/set_up_oauth"
    checked = "2026-11"
    # https://developers.klaviyo.com/en/docs/api_versioning_and_deprecation_policy: two years
    supported_until = {"revision": "2028-01-15"}
    # A page of the documentation
    registration_url = "https://developers.klaviyo.com/en/docs/create_a_public_oauth_app"
    base_url = "https://a.klaviyo.com/api/"
    authorization_url = "https://www.klaviyo.com/oauth/authorize"
    token_url = "https://a.klaviyo.com/oauth/token"
    revocation_url = "https://a.klaviyo.com/oauth/revoke"
    # https://github.com/klaviyo-labs/api-examples/blob/HEAD/oauth/simple-python-example.py
    refresh_token_lifetime = 90
    scope = "accounts:read"
    request_headers = {"revision": "{revision}"}
    # https://developers.klaviyo.com/en/reference/get_accounts
    account_url = "accounts/"
    account_id = "data.0.id"
    account_label = "data.0.attributes.contact_information.organization_name"
    unconfirmed = ("refresh_rotates",)

    #: The version of the API, a date.
    revision = "2026-01-15"
