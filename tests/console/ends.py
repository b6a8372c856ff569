"""The last steps of the tasks of docs/console.md: what is pressed at the end, and what comes of it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from exchange.crypto import new_jwk_pair, sign

SAMPLE = "client_id,first_name,last_name,dob,sex\nC-1,Ana,Lopez,1980-02-03,F\nC-2,Ben,Adler,1971-12-24,M\n"


@dataclass(frozen=True)
class World:
    """What the tasks are about: the home's content, a folder for files, officers' keys, a patient of Elm."""

    home: Path
    folder: Path
    keys: Mapping[str, str]
    patient: str


def _press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click()


def _told(page: Page, words: str) -> None:
    assert words in page.locator("main").inner_text(), words


def mend_and_replay(page: Page, world: World) -> None:
    map_ = world.home / "mappings/_shared/maps/fhir_r4.map.yaml"
    before, mark, after = map_.read_text().partition("  observation:\n")
    map_.write_text(before + mark + after.replace("set:\n", 'set:\n      status: status or "final"\n', 1))
    page.get_by_label("Partner").select_option("elm_clinic")
    _press(page, "Take its records again")
    _told(page, "went through the steps again")
    assert page.locator("svg a", has_text="published 1").count() == 1


def map_a_code(page: Page, world: World) -> None:
    page.locator("#codes tbody tr", has_text="zq").locator("a").last.click()
    page.get_by_label("System of the target").fill("http://hl7.org/fhir/administrative-gender")
    page.get_by_label("Code of the target").fill("female")
    _press(page, "Add the row")
    _told(page, "A row was added")
    assert "zq" in (world.home / "mappings/elm_clinic/codes/gender.csv").read_text()


def count_what_maps_leave(page: Page, world: World) -> None:
    _press(page, "latest 1,000 records")
    _told(page, "Counted again")


def compare_maps(page: Page, world: World) -> None:
    page.get_by_label("Compare with").fill(str(world.home / "mappings"))
    _press(page, "Compare")
    _told(page, "records taken again")


def write_a_partner(page: Page, world: World) -> None:
    sample = world.folder / "clients.csv"
    sample.write_text(SAMPLE)
    page.get_by_label("Folder name").fill("maple_pantry")
    page.get_by_label("Where its files will be").fill(str(world.folder))
    page.get_by_label("Sample").set_input_files(str(sample))
    _press(page, "Try it")
    _press(page, "Write the folder")
    _told(page, "The folder is written")
    assert (world.home / "mappings/maple_pantry/partner.yaml").exists()


def register_and_rotate(page: Page, world: World) -> None:
    """Twice: the second time the client has other keys."""
    for _ in range(2):
        keys = world.folder / "jwks.json"
        keys.write_text(json.dumps({"keys": [new_jwk_pair("ES384")[1]]}))
        page.get_by_label("Client id").fill("elm-ehr")
        page.get_by_label("JSON Web Key Set").set_input_files(str(keys))
        _press(page, "Register")
        _told(page, "registered")
        assert page.locator("#clients tbody tr").count() == 1


def upload_a_panel(page: Page, world: World) -> None:
    page.get_by_label("Name of the panel").fill("North side")
    page.get_by_label("one a line").fill(world.patient)
    _press(page, "Upload a panel")
    _told(page, "1 member")


def ask(page: Page, world: World) -> None:
    page.get_by_label("Query").fill("Patient?family=harding")
    _press(page, "Ask")
    _told(page, "1 match")


def open_the_accounting(page: Page, world: World) -> None:
    with page.expect_download() as fetched:
        page.get_by_role("link", name="Accounting of disclosures for the person").click()
    assert fetched.value.suggested_filename.endswith(".pdf")
    content = fetched.value.path().read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")


def take_a_consent(page: Page, world: World) -> None:
    page.get_by_role("checkbox", name="Oak Clinic").first.check()
    for field in page.locator("main input[type=date]").all():
        if not field.input_value():
            field.fill("2099-06-30")
    page.get_by_label("Name of who signed").fill("A. Parent")
    page.get_by_label("On what basis").select_option("PRN")
    _press(page, "See what it does")
    _press(page, "It is signed: store it")
    _told(page, "in force")


def try_a_change(page: Page, world: World) -> None:
    field = page.locator("textarea")
    field.fill(field.input_value().replace("effect: released", "effect: prohibited", 1))
    _press(page, "Try it")
    _told(page, "What it would change")


def prove(page: Page, world: World) -> None:
    _press(page, "Prove them now")
    assert page.locator(".mark.good").count() == page.locator("section.card").count() > 5


def review(page: Page, world: World) -> None:
    page.locator("#emergencies tbody a").first.click()
    page.get_by_label("justified", exact=True).check()
    page.get_by_label("Why").fill("brought in unconscious")
    _press(page, "Decide")
    _told(page, "stands")


def save_a_search(page: Page, world: World) -> None:
    page.get_by_label("What").select_option("console.viewed")
    _press(page, "Show")
    page.get_by_label("Save this view as").fill("Questions")
    page.get_by_role("button", name="Save", exact=True).click()
    assert page.locator("#views a").inner_text() == "Questions"


def verify(page: Page, world: World) -> None:
    _press(page, "Verify the whole log")
    _told(page, "The log was verified")


def sign_by_two(page: Page, world: World) -> None:
    """Each officer's own machine makes the signature."""
    for officer, key in world.keys.items():
        page.get_by_label("Officer who signs").select_option(officer)
        _press(page, "See what they change")
        statement = page.get_by_label("Statement to be signed").input_value()
        signature = b64encode(sign(statement.encode(), key)).decode()
        page.get_by_label("Signature", exact=True).fill(signature)
        page.get_by_role("button", name="Sign", exact=True).click()
    _told(page, "signed by two")


def ask_the_partners(page: Page, world: World) -> None:
    _press(page, "Ask the partners")
    _told(page, "The question is noted")


def take_back(page: Page, world: World) -> None:
    _press(page, "Take it back")
    _told(page, "It is decided")


ENDS: Mapping[str, Callable[[Page, World], None]] = {
    "take the quarantine again after mending a map": mend_and_replay,
    "map a code in place": map_a_code,
    "see what the maps of a partner leave": count_what_maps_leave,
    "see what a change of maps does": compare_maps,
    "bring a new partner on from a sample": write_a_partner,
    "register software, or give it new keys": register_and_rotate,
    "say who is in our care": upload_a_panel,
    "try a query as our software would": ask,
    "give the person the accounting of disclosures": open_the_accounting,
    "take a consent from a signed form": take_a_consent,
    "try a change of a rule on everybody": try_a_change,
    "prove the promises": prove,
    "review an emergency": review,
    "search the audit log and save the search": save_a_search,
    "verify the audit log": verify,
    "put rules into force with a second officer": sign_by_two,
    "ask the partners first": ask_the_partners,
    "take a decision back": take_back,
}
