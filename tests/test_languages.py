"""The catalogues of translations, and the language and the direction of the pages."""

import gettext
import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from django.conf.locale import LANG_INFO
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import to_language

from django_dance.server.models import Client

from .documents import DOCS
from .po_files import APPS, PACKAGE, catalogues, files_of, marked_texts

CATALOGUES = catalogues()
LOCALES = sorted({each.locale for each in CATALOGUES})
#: What a translation must keep: elements around a placeholder, placeholders, and other tags.
KEPT = re.compile(r"<(?:\w+)>%\(\w+\)[sd]</\w+>|%\(\w+\)[sd]|<[^>]*>|%")
#: The text whose translation is the language of the catalogue.
CODE = ("the code of the language that you translate to, such as pt-BR", "en", None)
PAGES = ["django_dance/unavailable.html", "django_dance_server/applications.html"]

for_each_catalogue = pytest.mark.parametrize("catalogue", CATALOGUES, ids=str)
for_each_app = pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
for_each_page = pytest.mark.parametrize("template", PAGES)


@pytest.fixture(autouse=True)
def _language_of_the_next_test():
    """End the language that a request activates for its thread."""
    yield
    translation.deactivate()


# --- the catalogues -------------------------------------------------------------------------------


def test_both_apps_have_the_same_languages():
    assert {"ar", "de", "es", "fr", "ja", "pt_BR"} <= set(LOCALES)
    assert sorted(str(each) for each in CATALOGUES) == sorted(
        f"{app.name}-{locale}" for app in APPS for locale in LOCALES
    )


@for_each_catalogue
def test_a_catalogue_has_exactly_the_marked_texts_of_its_app(catalogue):
    keys = [entry.key for entry in catalogue.entries]
    assert len(keys) == len(set(keys))
    missing = marked_texts(catalogue.app) - set(keys)
    assert not missing, "run scripts/messages, and translate the new texts"
    assert set(keys) == marked_texts(catalogue.app)


@for_each_app
def test_each_marked_text_is_a_literal(app):
    texts = [text for _, text, _ in marked_texts(app)]
    assert len(texts) > 50
    assert all(texts)


@for_each_catalogue
def test_each_text_is_translated(catalogue):
    forms = int(re.search(r"nplurals=(\d)", catalogue.source)[1])
    for entry in catalogue.entries:
        assert not entry.is_fuzzy, entry.key
        assert len(entry.translations) == (forms if entry.key[2] else 1), entry.key
        assert all(text.strip() for text in entry.translations), entry.key


@for_each_catalogue
def test_a_translation_keeps_the_placeholders_and_the_tags(catalogue):
    for entry in catalogue.entries:
        wanted = sorted(KEPT.findall(entry.texts[-1]))
        for text in entry.translations:
            found = sorted(KEPT.findall(text))
            if entry.key[2] and found != wanted:
                # A form for one number may leave the number out: "one row".
                found = sorted([*found, "%(number)d"])
            assert found == wanted, text


@for_each_catalogue
def test_a_translation_ends_as_its_text(catalogue):
    """A space at an end, or a line break, would be lost in a sentence."""
    for entry in catalogue.entries:
        for text in (*entry.texts, *entry.translations):
            assert text == text.strip(), text
            assert "\n" not in text, text


@for_each_catalogue
def test_the_compiled_catalogue_has_the_same_translations(catalogue):
    expected = {"": catalogue.header.fields["msgstr"]}
    for entry in catalogue.entries:
        context, text, plural = entry.key
        key = text if context is None else f"{context}\x04{text}"
        if plural is None:
            (expected[key],) = entry.translations
        else:
            expected.update({(key, form): each for form, each in enumerate(entry.translations)})
    with catalogue.path.with_suffix(".mo").open("rb") as file:
        assert gettext.GNUTranslations(file)._catalog == expected, "run scripts/messages"


@for_each_catalogue
def test_the_header_says_who_has_reviewed_the_translation(catalogue):
    name = LANG_INFO[to_language(catalogue.locale)]["name"]
    first, second, *_ = catalogue.source.splitlines()
    assert first == f"# django-dance in {name}."
    unreviewed = "# No native speaker has reviewed this translation yet."
    assert second == unreviewed or second.startswith("# Reviewed by ")
    assert f"Language: {catalogue.locale}\n" in catalogue.header.fields["msgstr"]
    # Dates would make each run of scripts/messages a change.
    assert "POT-Creation-Date" not in catalogue.source


@for_each_catalogue
def test_a_catalogue_names_its_language(catalogue):
    (code,) = [entry.translations for entry in catalogue.entries if entry.key == CODE]
    assert [each.lower() for each in code] == [to_language(catalogue.locale)]


@pytest.mark.parametrize("locale", LOCALES)
def test_a_text_of_both_apps_has_one_translation(locale):
    """Django has one catalogue for all apps, and takes the translation of the first."""
    first, second = (
        {entry.key: entry.translations for entry in each.entries}
        for each in CATALOGUES
        if each.locale == locale
    )
    common = first.keys() & second.keys()
    assert CODE in common
    assert {key: first[key] for key in common} == {key: second[key] for key in common}


def test_the_guide_names_each_language():
    guide = (DOCS / "translating.md").read_text("utf-8")
    for locale in LOCALES:
        assert LANG_INFO[to_language(locale)]["name"] in guide, locale


# --- the sources ----------------------------------------------------------------------------------


@for_each_app
def test_each_text_of_a_template_is_marked(app):
    for path in [*files_of(app, "html"), *files_of(app, "txt")]:
        source = path.read_text("utf-8")
        for ignored in (
            r"\{% comment %\}.*?\{% endcomment %\}",
            r"\{#.*?#\}",
            r"\{% blocktranslate\b.*?\{% endblocktranslate %\}",
            r"\{[%{].*?[%}]\}",
            r"<style>.*?</style>",
        ):
            source = re.sub(ignored, "", source, flags=re.DOTALL)
        words = re.findall(r'\b(?:alt|aria-label|placeholder|title)="([^"]*)"', source)
        words.append(re.sub(r"<[^>]*>", "", source))
        assert not re.search("[A-Za-z]", " ".join(words)), path.name


def test_the_styles_have_no_left_and_no_right():
    """They would be the wrong side in a language that is written from right to left."""
    styles = [path.read_text("utf-8") for path in PACKAGE.rglob("*.css")]
    for path in PACKAGE.rglob("*.html"):
        source = path.read_text("utf-8")
        styles += re.findall(r"<style>(.*?)</style>| style=\"(.*?)\"", source, re.DOTALL)
    assert len(styles) > 1
    assert not re.search(r"\b(left|right)\b", str(styles))


def test_code_and_hosts_are_written_from_left_to_right():
    """Otherwise an Arabic page shows a `-` or a `/` at the wrong end."""
    sources = [path.read_text("utf-8") for path in PACKAGE.rglob("*.html")]
    assert len(re.findall(r'<(?:code|strong) dir="ltr">\{\{', "".join(sources))) > 3
    assert not re.search(r"<(?:code|strong)>\{\{", "".join(sources))


def test_a_secret_keeps_its_order_on_an_arabic_page():
    context = {"opts": Client._meta, "rotated": [(SimpleNamespace(name="Notes"), "-planted_")]}
    with translation.override("ar"):
        page = render_to_string("django_dance_server/secret.html", context)
    assert 'dir="rtl"' in page and '<code dir="ltr">-planted_</code>' in page


def test_no_text_is_translated_at_import():
    """It would stay in the language of the moment when the process started."""
    code = (
        "import importlib, json, django\n"
        "from django.conf import settings\n"
        "apps = ['admin', 'auth', 'contenttypes', 'messages', 'sessions']\n"
        "settings.configure(INSTALLED_APPS=[*(f'django.contrib.{app}' for app in apps),\n"
        "    'django_dance', 'django_dance.server'])\n"
        "from django.utils import translation\n"
        "asked = []\n"
        "def record(*texts):\n"
        "    asked.extend(texts)\n"
        "    return str(texts[0])\n"
        "for name in ('gettext', 'ngettext', 'pgettext', 'npgettext'):\n"
        "    setattr(translation._trans, name, record)\n"
        "django.setup()\n"
        "for name in ('pages', 'responses', 'views', 'notices', 'admin', 'server.admin',\n"
        "        'server.views', 'providers.oidc', 'contrib.github', 'contrib.google'):\n"
        "    importlib.import_module(f'django_dance.{name}')\n"
        "print(json.dumps(asked))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    asked = json.loads(done.stdout)
    assert "%(from)s-%(to)s relationship" in asked  # Django's own
    ours = {text for app in APPS for _, text, _ in marked_texts(app)}
    assert not ours.intersection(asked)


# --- the pages ------------------------------------------------------------------------------------


@for_each_page
@pytest.mark.parametrize("locale", LOCALES)
def test_a_page_names_its_language_and_its_direction(template, locale):
    language = to_language(locale)
    with translation.override(language):
        page = render_to_string(template)
    direction = "rtl" if LANG_INFO[language]["bidi"] else "ltr"
    code, found = re.search('<html lang="(.*?)" dir="(.*?)">', page).groups()
    assert (code.lower(), found) == (language, direction)


@for_each_page
@pytest.mark.parametrize("language", [None, "en", "en-gb", "cy", "he"])
def test_a_page_without_a_translation_is_english(template, language):
    """Hebrew is written from right to left, but this page has English sentences."""
    with translation.override(language):
        assert '<html lang="en" dir="ltr">' in render_to_string(template)


def test_a_variant_of_a_language_has_its_translation():
    with translation.override("de-at"):
        page = render_to_string("django_dance/unavailable.html")
    assert '<html lang="de" dir="ltr">' in page
    assert "<h1>Bitte versuchen Sie es später noch einmal</h1>" in page


@pytest.mark.one_database("The database only has the session of the visitor")
@pytest.mark.parametrize(
    ("urls", "path", "title"),
    [
        ("tests.urls", "/login/github/authorized/?state=x", "Nicht mit GitHub verbunden"),
        (
            "tests.server.urls",
            "/oauth/authorize/",
            "Diese Anwendung kann nicht verbunden werden",
        ),
    ],
)
def test_a_visitor_gets_the_pages_in_the_language_of_the_browser(
    client, settings, db, urls, path, title
):
    settings.ROOT_URLCONF = urls
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    response = client.get(path, headers={"accept-language": "de"})
    assert response.status_code == 400
    page = response.content.decode()
    assert '<html lang="de" dir="ltr">' in page
    assert f"<h1>{title}</h1>" in page
    # The error code is English in each language.
    assert '<p lang="en" dir="ltr" class="small">' in page


@pytest.mark.parametrize(
    ("scopes", "sentence"),
    [
        (["repo"], "Diese Berechtigung wurde nicht erteilt: <bdi>repo</bdi>."),
        (["gist", "repo"], "Diese Berechtigungen wurden nicht erteilt: <bdi>gist, repo</bdi>."),
    ],
)
def test_the_number_of_missing_scopes_chooses_the_sentence(scopes, sentence):
    with translation.override("de"):
        page = render_to_string(
            "django_dance/declined.html", {"login_url": "/x", "missing_scopes": scopes}
        )
    assert sentence in page
