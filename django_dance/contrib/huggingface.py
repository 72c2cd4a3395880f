from ..providers import OIDCProvider


class HuggingFace(OIDCProvider):
    """https://huggingface.co/docs/hub/oauth"""

    documentation = "https://huggingface.co/docs/hub/oauth"
    registration_url = "https://huggingface.co/settings/applications/new"
    label = "Hugging Face"
    base_url = "https://huggingface.co/api/"
    authorization_url = "https://huggingface.co/oauth/authorize"
    token_url = "https://huggingface.co/oauth/token"
    device_authorization_url = "https://huggingface.co/oauth/device"
    userinfo_url = "https://huggingface.co/oauth/userinfo"
    issuer = "https://huggingface.co"
    scope = ("openid", "profile")
    account_label = "preferred_username"
    unconfirmed = ("refresh_rotates",)
