"""Settings are complete and typed before anything starts."""

from __future__ import annotations

import pytest

from common.config import Shop, read_settings
from common.errors import SettingError

COMPLETE = {
    "RECSYS_BUCKET": "shop-data",
    "RECSYS_S3_ENDPOINT": "https://s3.example.eu/",
    "RECSYS_S3_ACCESS_KEY": "access",
    "RECSYS_S3_SECRET_KEY": "secret",
    "RECSYS_PSEUDONYM_KEY": "00" * 32,
}


def test_a_complete_environment_is_read() -> None:
    settings = read_settings({**COMPLETE, "RECSYS_CORS_ORIGINS": "https://a.eu, https://b.eu", "PATH": "/bin"})
    assert settings.s3_endpoint == "https://s3.example.eu"
    assert settings.cors_origins == ("https://a.eu", "https://b.eu")


def test_an_empty_variable_is_not_set() -> None:
    assert read_settings({**COMPLETE, "RECSYS_RETENTION_DAYS": ""}).retention_days is None


@pytest.mark.parametrize("name", sorted(COMPLETE))
def test_a_missing_setting_is_named(name: str) -> None:
    env = {key: value for key, value in COMPLETE.items() if key != name}
    with pytest.raises(SettingError, match=f"{name} is not set"):
        read_settings(env)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RECSYS_S3_ENDPOINT", "s3.example.eu"),
        ("RECSYS_PSEUDONYM_KEY", "not hex"),
        ("RECSYS_PSEUDONYM_KEY", "00" * 8),
        ("RECSYS_TOKEN_KEY", "31 bytes, one less than needed."),
        ("RECSYS_PREFIX", "no-slash"),
        ("RECSYS_MAX_BAD_ROWS", "2"),
        ("RECSYS_NEW_SHARE", "3"),
        ("RECSYS_BUCKETT", "typing-error"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_shown(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name) as caught:
        read_settings({**COMPLETE, name: value})
    assert value not in str(caught.value)


def test_an_endpoint_outside_the_residency_list_is_refused() -> None:
    with pytest.raises(SettingError, match="RECSYS_RESIDENCY_HOSTS"):
        Shop.from_env({**COMPLETE, "RECSYS_RESIDENCY_HOSTS": "s3.other.eu"})


def test_secrets_do_not_show_in_the_representation() -> None:
    assert "secret" not in repr(read_settings(COMPLETE)).replace("SecretStr", "").replace("s3_secret_key", "")
