"""Whether an event is about somebody a subscription asked to hear of, by the links its recipient sees.

Two people who are one through a hidden record alone are two for him: what happens to the one is nothing
of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from exchange.delivery.events import Due, Event
from exchange.repository import Person, Reader, persons_of


def concerned(view: Reader, due: Due, events: Iterable[Event]) -> list[Event]:
    """The events about the people of the subscription's panel, and of its patients where it names some."""
    found, delivery = list(events), due.subscription.delivery
    if delivery.panel == "everyone" and not delivery.patients:
        return found
    numbers = {number for event in found for number in _about(event)}
    people = persons_of(view, numbers)
    reached = {*numbers, *(number for person in people.values() for number in person.patients)}
    cared_for = _cared_for(view, reached) if delivery.panel == "related" else frozenset()
    participant = due.subscription.participant

    def wanted(event: Event, number: int) -> bool:
        person = people.get(number)
        own = set(person.patients) if person else {number}
        partners = {c.partner for c in person.contributions} if person else set()
        on_panel = {
            "everyone": True,
            "own": participant in partners,
            "related": not cared_for.isdisjoint(own),
        }[delivery.panel]
        return on_panel and (not delivery.patients or not _names(event, person).isdisjoint(delivery.patients))

    return [event for event in found if any(wanted(event, number) for number in _about(event))]


def _about(event: Event) -> Iterator[int]:
    yield from (number for number in (event.patient, event.other) if number is not None)


def _names(event: Event, person: Person | None) -> Set[str]:
    """Ids by which the recipient may know whom it is about; the record's own word, if he sees no Patient."""
    if person is None:
        return {str(event.person)}
    return {str(key) for c in person.contributions for key in (c.fhir_id, c.golden_id)}


def _cared_for(view: Reader, numbers: Iterable[int]) -> frozenset[int]:
    asked = "SELECT patient FROM relationship WHERE patient = ANY(%s)"
    return frozenset(row[0] for row in view.conn.execute(asked, (sorted(numbers),)))
