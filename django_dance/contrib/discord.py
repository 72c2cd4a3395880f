from ..providers import OAuth2Provider


class Discord(OAuth2Provider):
    """https://docs.discord.com/developers/topics/oauth2 — set ``PROMPT`` to ``"none"`` so that
    Discord does not ask users who have authorized the site before."""

    documentation = "https://docs.discord.com/developers/topics/oauth2"
    checked = "2026-11"
    registration_url = "https://discord.com/developers/applications"
    base_url = "https://discord.com/"
    authorization_url = "https://discord.com/oauth2/authorize"
    # PKCE: https://docs.discord.com/developers/discord-social-sdk/development-guides/account-linking-with-discord
    token_url = "https://discord.com/api/oauth2/token"
    revocation_url = "https://discord.com/api/oauth2/token/revoke"
    scope = "identify"
    # https://github.com/member-gentei/member-gentei/issues/18
    refusals = {"dead": ('invalid_request: invalid "refresh_token" in request',)}
    # https://docs.discord.com/developers/resources/user
    account_url = "api/users/@me"
    account_id = "id"
    account_label = "username"

    #: ``"consent"``, ``"none"``, or ``None`` to send no prompt.
    prompt: str | None = "consent"

    authorization_url_options = {"prompt": {"prompt": "{prompt}"}}
