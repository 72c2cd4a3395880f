from ..providers import HostPlace, OIDCProvider


class Okta(OIDCProvider):
    """https://developer.okta.com/docs/api/openapi/okta-oauth/oauth/tag/OrgAS/ — set ``HOST`` to
    your organization's host, such as ``example.okta.com``. For a custom authorization server set
    ``ISSUER`` to ``https://<host>/oauth2/<id>``. To get refresh tokens, allow the application the
    grant type Refresh Token, and add ``offline_access`` to ``SCOPE``."""

    documentation = "https://developer.okta.com/docs/api/openapi/okta-oauth/oauth/tag/OrgAS/"
    checked = "2026-11"
    registration_url = "https://developer.okta.com/docs/guides/implement-grant-type/authcode/main/"
    host: str = ""
    place_kind = HostPlace(
        path="(?:/oauth2/[A-Za-z0-9]+)?",
        example="acme.okta.com",
        facts={"host": "{host}", "issuer": "https://{place}"},
    )
    base_url = "https://{host}/"
    issuer = "https://{host}"
    scope = ("openid", "profile")
    scope_required = True
    # Okta refuses "select_account": the page of ``documentation``.
    choose_account_params = {"prompt": "login"}
    # A setting of the application decides whether a refresh token can be used again.
    # https://developer.okta.com/docs/guides/refresh-tokens/main/
    refresh_rotates = None
