from ..providers import ANY_PATH, HostPlace, OAuth2Provider


class Nextcloud(OAuth2Provider):
    """https://docs.nextcloud.com/server/latest/admin_manual/configuration_server/oauth2.html — set
    ``HOST`` to your server. Nextcloud has no scopes: a token has all permissions of its user."""

    documentation = (
        "https://docs.nextcloud.com/server/latest/admin_manual/configuration_server/oauth2.html"
    )
    checked = "2026-11"
    registration_url = documentation
    host: str = ""
    place_kind = HostPlace(
        path=ANY_PATH,
        example="cloud.example.com",
        # These addresses work with and without "pretty URLs".
        facts={
            "host": "{place}",
            "authorization_url": "https://{place}/index.php/apps/oauth2/authorize",
            "token_url": "https://{place}/index.php/apps/oauth2/api/v1/token",
        },
    )
    base_url = "https://{host}/"
    authorization_url = "https://{host}/apps/oauth2/authorize"
    token_url = "https://{host}/apps/oauth2/api/v1/token"
    client_auth = "post"
    # And PKCE:
    # https://github.com/nextcloud/server/blob/HEAD/apps/oauth2/lib/Controller/OauthApiController.php
    refresh_rotates = True
    # The same file: there is no other reason for this answer to a refresh.
    refusals = {"dead": ("invalid_request",)}
    # The documentation of the OCS API asks for it.
    request_headers = {"OCS-APIRequest": "true"}
    account_url = "ocs/v2.php/cloud/user?format=json"
    account_id = "ocs.data.id"
    account_label = "ocs.data.displayname"
