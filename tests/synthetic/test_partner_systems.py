"""The partner systems, asked as a stranger would ask them: over the network, by the standards."""

import base64
import re
import time
from pathlib import Path
from uuid import uuid4

import paramiko
import pytest
import requests

from exchange.crypto.tokens import new_jwk_pair, sign_jwt

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAPPINGS = Path(__file__).parents[2] / "mappings"


def assertion(environment, pem=None, **changes):
    claims = {
        "iss": environment["HARBOR_RECOVERY_CLIENT_ID"],
        "sub": environment["HARBOR_RECOVERY_CLIENT_ID"],
        "aud": environment["HARBOR_RECOVERY_TOKEN_URL"],
        "exp": int(time.time()) + 200,
        "jti": str(uuid4()),
    }
    key = pem or Path(environment["HARBOR_RECOVERY_KEY"]).read_text()
    return sign_jwt(claims | changes, key, environment["HARBOR_RECOVERY_KEY_ID"], "ES384")


def ask_token(environment, signed):
    form = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_assertion_type": ASSERTION}
    url = environment["HARBOR_RECOVERY_TOKEN_URL"]
    return requests.post(url, data=form | {"client_assertion": signed}, timeout=10)


def bearer(environment):
    token = ask_token(environment, assertion(environment)).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def export(environment, headers, **query):
    kick_off = headers | {"Accept": "application/fhir+json", "Prefer": "respond-async"}
    url = f"{environment['HARBOR_RECOVERY_URL']}/$export"
    status = requests.get(url, params=query, headers=kick_off, timeout=10).headers["Content-Location"]
    codes = []
    while (answer := requests.get(status, headers=headers, timeout=10)).status_code == 202:
        assert answer.headers["Retry-After"] == "1"
        codes.append(202)
        time.sleep(0.1)
    assert codes
    return status, answer.json()


def every_page(url):
    while url:
        bundle = requests.get(url, timeout=10).json()
        yield from (entry["resource"] for entry in bundle.get("entry", ()))
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


def sftp(environment, name, password=None):
    host = environment[f"{name}_SFTP_HOST"], int(environment[f"{name}_SFTP_PORT"])
    transport = paramiko.Transport(host)
    kind, key = environment[f"{name}_SFTP_HOST_KEY"].split()
    pinned = paramiko.Ed25519Key(data=base64.b64decode(key))
    assert kind == pinned.get_name()
    transport.connect(
        pinned, environment[f"{name}_SFTP_USER"], password or environment[f"{name}_SFTP_PASSWORD"]
    )
    return paramiko.SFTPClient.from_transport(transport)


def test_the_environment_answers_every_name_the_partners_ask_for(environment):
    asked = {
        name
        for path in MAPPINGS.glob("*/partner.yaml")
        for name in re.findall(r"\$\{(\w+)\}", path.read_text())
    }

    assert {name for name in asked if not name.startswith("LAKESIDE")} <= set(environment)


def test_the_clinic_gives_every_resource_once_page_by_page(environment):
    url = f"{environment['PRAIRIE_CLINIC_URL']}/Observation"
    total = requests.get(url, timeout=10).json()["total"]

    ids = [resource["id"] for resource in every_page(f"{url}?_count=7")]

    assert len(ids) == len(set(ids)) == total > 30


def test_the_clinic_finds_what_changed_since(environment):
    url = f"{environment['PRAIRIE_CLINIC_URL']}/Patient"
    times = sorted(resource["meta"]["lastUpdated"] for resource in every_page(url))

    found = list(every_page(f"{url}?_lastUpdated=ge{times[-3]}"))

    assert len(found) == 3
    assert requests.get(f"{url}?_lastUpdated=ge2099-01-01T00:00:00Z", timeout=10).json()["total"] == 0


@pytest.mark.parametrize("path, status", [("Claim", 404), ("Patient/nobody", 404), ("Patient?_count=0", 400)])
def test_the_clinic_explains_what_it_cannot_do(environment, path, status):
    answer = requests.get(f"{environment['PRAIRIE_CLINIC_URL']}/{path}", timeout=10)

    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


def test_the_program_exports_to_a_client_with_the_right_key(environment):
    headers = bearer(environment)

    status, manifest = export(environment, headers)

    for file in manifest["output"]:
        answer = requests.get(file["url"], headers=headers, timeout=10)
        assert answer.headers["content-type"].startswith("application/fhir+ndjson")
        assert len(answer.text.splitlines()) == file["count"]
    assert {file["type"] for file in manifest["output"]} >= {"Patient", "Consent", "Procedure"}
    assert requests.delete(status, headers=headers, timeout=10).status_code == 202
    assert requests.get(status, headers=headers, timeout=10).status_code == 404


def test_the_program_sends_the_rest_of_a_file(environment):
    headers = bearer(environment)
    _, manifest = export(environment, headers, _type="Patient")
    whole = requests.get(manifest["output"][0]["url"], headers=headers, timeout=10).content

    rest = requests.get(manifest["output"][0]["url"], headers=headers | {"Range": "bytes=100-"}, timeout=10)

    assert (rest.status_code, rest.content) == (206, whole[100:])


def test_the_program_refuses_strangers(environment):
    other, _ = new_jwk_pair("ES384")
    used = assertion(environment)
    ask_token(environment, used)

    wrong = {
        "another key": assertion(environment, pem=other),
        "another audience": assertion(environment, aud="https://elsewhere.example/token"),
        "too long a life": assertion(environment, exp=int(time.time()) + 4000),
        "over": assertion(environment, exp=int(time.time()) - 60),
        "another client": assertion(environment, iss="somebody", sub="somebody"),
        "used before": used,
        "no token at all": "x.y.z",
    }

    assert {
        name: ask_token(environment, signed).status_code for name, signed in wrong.items()
    } == dict.fromkeys(wrong, 401)


def test_the_program_gives_nothing_without_a_token(environment):
    base, headers = environment["HARBOR_RECOVERY_URL"], bearer(environment)
    _, manifest = export(environment, headers)

    for url in (f"{base}/$export", manifest["output"][0]["url"]):
        assert requests.get(url, headers={"Prefer": "respond-async"}, timeout=10).status_code == 401
        wrong = {"Authorization": "Bearer guessed", "Prefer": "respond-async"}
        assert requests.get(url, headers=wrong, timeout=10).status_code == 401


@pytest.mark.parametrize(
    "name, folder, suffix",
    [
        ("WILLOW", "/documents", ".xml"),
        ("COUNTY", "/immunizations", ".hl7"),
        ("HEARTH", "/hmis_20261120", ".csv"),
        ("TABLE", "/", ".csv"),
    ],
)
def test_a_drop_shows_its_own_partners_files_only(environment, name, folder, suffix):
    with sftp(environment, name) as client:
        files = client.listdir(folder)
        assert files
        assert {Path(file).suffix for file in files} == {suffix}
        assert client.open(f"{folder}/{files[0]}").read(10)
        with pytest.raises(FileNotFoundError):
            client.stat("/../county_health" if name != "COUNTY" else "/../good_table")


def test_a_drop_refuses_a_wrong_password_and_every_change(environment):
    with pytest.raises(paramiko.AuthenticationException):
        sftp(environment, "TABLE", password="guessed")
    with sftp(environment, "TABLE") as client:
        name = client.listdir("/")[0]
        for attempt in (
            lambda: client.open("/new.csv", "w"),
            lambda: client.remove(f"/{name}"),
            lambda: client.mkdir("/x"),
        ):
            with pytest.raises(PermissionError):
                attempt()


def test_the_directory_pages_its_services(environment):
    url = f"{environment['DIRECTORY_URL']}/services"
    first = requests.get(url, params={"per_page": 8}, timeout=10).json()

    pages = [
        requests.get(url, params={"per_page": 8, "page": n + 1}, timeout=10).json()
        for n in range(first["total_pages"])
    ]

    ids = [service["id"] for page in pages for service in page["contents"]]
    assert len(ids) == len(set(ids)) == first["total_items"]
    assert [page["last_page"] for page in pages] == [False] * (len(pages) - 1) + [True]


def test_the_next_day_comes_when_told_to(systems_of_its_own):
    environment = systems_of_its_own
    control, headers = environment["COALITION_CONTROL_URL"], bearer(environment)
    clinic = f"{environment['PRAIRIE_CLINIC_URL']}/Patient"
    _, before = export(environment, headers)
    total = requests.get(clinic, timeout=10).json()["total"]

    assert requests.post(f"{control}/advance", timeout=60).json() == {"day": 2}

    _, after = export(environment, headers, _since=before["transactionTime"])
    with sftp(environment, "HEARTH") as client:
        assert sorted(client.listdir("/")) == ["hmis_20261120", "hmis_20261121"]
    assert (
        sum(file["count"] for file in after["output"]) < sum(file["count"] for file in before["output"]) / 5
    )
    assert requests.get(clinic, timeout=10).json()["total"] == total
    assert requests.get(f"{control}/status", timeout=10).json()["day"] == 2
