"""Random lives of records: sent, edited, deleted, merged and decided about, for what must always hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from random import Random
from typing import Any

from repository_world import World, observation
from test_reprofile import consent, deny_to

from exchange.linkage import Features, Model, features
from exchange.model.ids import resource_id
from exchange.model.records import Labels, Merge
from exchange.repository.disclosure.overlay import settle
from exchange.repository.disclosure.reprofile import reprofile
from exchange.repository.identity.links import IncomingPatient, Word, decide_review, link_patients
from exchange.repository.storage.items import PublishItem

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
OPEN, HIDDEN = Labels(), Labels("R", frozenset({"HIV"}))
PARTNERS = ("hospital", "clinic", "shelter")
_HOME = {"phone": "217-555-0147", "line": "12 Oak Street"}
_SSN = "http://hl7.org/fhir/sid/us-ssn"
_MRN = "https://hospital.example/mrn"
DESCRIPTIONS: tuple[dict[str, Any], ...] = (
    {"given": "Ruth", "family": "Harding", "born": "1984-02-09", "gender": "female", **_HOME},
    {"given": "Ruth", "family": "Harding", "born": "1984-09-02", "gender": "female", **_HOME},
    {"given": "Ruth", "family": "Vega", "born": "1984-02-09", "gender": "female", "ssn": "512-34-6789"},
    {"given": "Ruthie", "family": "Harding Vega", "born": "1984-02-09", "ssn": "512-34-6789"},
    {"given": "R", "family": "Harding", "born": "1984-02-09", **_HOME},
    {"given": "Olivia", "family": "Harding", "born": "2015-04-01", "gender": "female", "order": 1, **_HOME},
    {"given": "Olivia", "family": "Harding", "born": "2015-04-01", "gender": "female", **_HOME},
    {"given": "Olive", "family": "Harding", "born": "2015-04-01", "gender": "female", "order": 2, **_HOME},
    {"given": "Samuel", "family": "Harding", "born": "2015-04-01", "gender": "male", **_HOME},
    {"given": "Sam", "family": "Harding", "born": "2015-04-01", "phone": "217-555-0147", "mrn": "77"},
    {"given": "Pavlo", "family": "Bondar", "born": "1990-12-30", "gender": "male", "mrn": "77"},
    {"given": "Павло", "family": "Бондар", "born": "1990-12-30", "gender": "male", **_HOME},
    {"given": "Ruth", "family": "Harding", "born": "", "gender": "female", **_HOME},
    {"given": "Ruth", "family": "Harding", "born": "2004-10-21", "gender": "female", **_HOME},
    {"given": "Baby Girl", "family": "Harding", "born": "2015-04-01", "gender": "female", **_HOME},
    {"given": "Ruth", "family": "Harding", "born": "", "gender": "female", "line": _HOME["line"]},
    {"given": "Jayden", "family": "Harding", "born": "2015-04-01", "gender": "male", **_HOME},
    {"given": "Kayden", "family": "Harding", "born": "2015-04-01", "gender": "male", **_HOME},
    {"given": "Baby Boy", "family": "Harding", "born": "2015-04-01", "gender": "male", **_HOME},
    {"given": "", "family": "", "born": ""},
)


def patient_of(fhir_id: str, said: dict[str, Any]) -> dict[str, Any]:
    """The Patient that a description tells of."""
    patient: dict[str, Any] = {"resourceType": "Patient", "id": fhir_id}
    patient["name"] = [{"given": [said["given"]], "family": said["family"]}] if said["family"] else []
    patient["birthDate"], patient["gender"] = said["born"], said.get("gender", "")
    patient["telecom"] = [{"system": "phone", "value": said["phone"]}] if "phone" in said else []
    patient["address"] = [{"line": [said["line"]], "postalCode": "62701"}] if "line" in said else []
    numbers = ((_SSN, "ssn"), (_MRN, "mrn"))
    patient["identifier"] = [{"system": s, "value": said[key]} for s, key in numbers if key in said]
    if "order" in said:
        patient["multipleBirthInteger"] = said["order"]
    return {element: value for element, value in patient.items() if value}


@dataclass
class Lives:
    """What was sent and said so far, beside the repository that was told of it."""

    world: World
    model: Model
    random: Random
    secrecy: float = 0.0
    said: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    partner: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    denials: dict[str, str] = field(default_factory=dict)
    merges: list[tuple[str, str]] = field(default_factory=list)
    words: dict[frozenset[str], str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    persons: dict[str, str] = field(default_factory=dict)
    items: dict[str, PublishItem] = field(default_factory=dict)
    seen: int = 0
    hidden: set[str] = field(default_factory=set)

    def read(self, patient: dict[str, Any]) -> Features:
        return features(patient, lambda text: sha256(text.encode()).hexdigest(), self.model.vocabulary)

    def step(self) -> str:
        """Does one thing at random; returns what, for a failing test to tell."""
        done = self.random.choices(
            (
                *(self.send, self.edit, self.delete, self.merge, self.decide),
                *(self.settle, self.measure, self.deny, self.lift),
            ),
            (4, 5, 1, 2, 5, 1, 3, 2, 1),
        )[0]
        return f"{done.__name__} {done()}"

    def send(self) -> str:
        number = len(self.said)
        if number >= 8:
            return self.edit()
        partner = PARTNERS[number % 3]
        fhir_id = resource_id(f"https://{partner}.example/", "Patient", f"life-{number}")
        self.partner[fhir_id], self.said[fhir_id] = partner, []
        if self.random.random() < self.secrecy:
            self.hidden.add(fhir_id)
        return self._tell(fhir_id, self.random.randrange(len(DESCRIPTIONS)))

    def edit(self) -> str:
        return self._tell(self._anyone(), self.random.randrange(len(DESCRIPTIONS))) if self.said else ""

    def delete(self) -> str:
        if not self.said:
            return ""
        fhir_id = self._anyone()
        self._link([IncomingPatient(fhir_id, self.partner[fhir_id], Features(), active=False)], [])
        self.world.publish(deleted=(f"Patient/{fhir_id}",))
        self.said[fhir_id].append({})
        return fhir_id

    def _tell(self, fhir_id: str, number: int) -> str:
        patient = patient_of(fhir_id, DESCRIPTIONS[number])
        self._link([IncomingPatient(fhir_id, self.partner[fhir_id], self.read(patient))], [])
        labels = HIDDEN if fhir_id in self.hidden else OPEN
        self._publish(self.world.item(self.partner[fhir_id], patient, event_time=None, labels=labels))
        self.said[fhir_id].append(patient)
        return f"{fhir_id} {number}"

    def merge(self) -> str:
        """Half of the time of one who was merged before: chains, and rings of them."""
        pair = self._pair()
        if pair and self.merges and self.random.random() < 0.5:
            pair = self.random.choice(self.random.choice(self.merges)), pair[1]
        if pair and pair[0] != pair[1]:
            self._link([], [Merge(*pair)])
            self.merges.append(pair)
        return str(pair)

    def decide(self) -> str:
        pair = self._pair()
        if not pair:
            return ""
        decision = self.random.choice(("link", "keep-apart", "keep-apart"))
        self._follow(decide_review(self.world.conn, self._numbers(pair), word(decision), self.model, AT))
        self.words[frozenset(pair)] = decision
        return f"{decision} {pair}"

    def settle(self) -> str:
        """A steward's word on one of the records that turned into another person's, if there is one."""
        rows = self.world.conn.execute("SELECT patient FROM overlay ORDER BY patient").fetchall()
        if not rows:
            return ""
        (number,) = self.random.choice(rows)
        outcome = self.random.choice(("one-person", "two-people"))
        settle(self.world.conn, number, outcome, "R. Vega", "asked the hospital", AT)
        self._follow(frozenset({number}))
        return f"{number} {outcome}"

    def measure(self) -> str:
        if not self.said:
            return ""
        fhir_id, key = self._anyone(), str(len(self.facts))
        status = self.random.choice(("final", "amended"))
        body = observation(self.partner[fhir_id], fhir_id, f"life-{key}", status=status)
        cluster = self.random.choice((None, b"one", b"two"))
        self._publish(self.world.item(self.partner[fhir_id], body, cluster=cluster, trust=int(key) % 3))
        self.facts[body["id"]] = body
        return f"{fhir_id} {cluster!r}"

    def deny(self) -> str:
        if not self.said:
            return ""
        fhir_id, whom = self._anyone(), self.random.choice(("shelter", "clinic"))
        body = consent(fhir_id, provision=deny_to(whom))
        self._publish(self.world.item(self.partner[fhir_id], body, event_time=None))
        self.denials[fhir_id] = whom
        return f"{fhir_id} to {whom}"

    def lift(self) -> str:
        if not self.denials:
            return ""
        fhir_id = self.random.choice(sorted(self.denials))
        self.world.publish(deleted=(f"Consent/{consent(fhir_id)['id']}",))
        del self.denials[fhir_id]
        return fhir_id

    def _publish(self, item: PublishItem) -> None:
        self.world.publish(item)
        self.items[item.resource["id"]] = item

    def _link(self, incoming: list[IncomingPatient], merges: list[Merge]) -> None:
        self._follow(link_patients(self.world.conn, incoming, merges, self.model, AT).changed)

    def _follow(self, changed: frozenset[int]) -> None:
        reprofile(self.world.conn, changed, self.world.context, AT)
        self.world.conn.commit()

    def _anyone(self) -> str:
        return self.random.choice(sorted(self.said))

    def _pair(self) -> tuple[str, str] | None:
        if len(self.said) < 2:
            return None
        a, b = self.random.sample(sorted(self.said), 2)
        return a, b

    def _numbers(self, pair: tuple[str, str]) -> tuple[int, int]:
        known = dict(self.world.conn.execute("SELECT fhir_id::text, patient FROM patient").fetchall())
        return known[pair[0]], known[pair[1]]


def word(decision: Any) -> Word:
    return Word(decision, "R. Vega", "asked both")
