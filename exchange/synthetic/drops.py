"""Writes one day of the feeds below a folder, one pass over the people, little memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Protocol, TextIO

from exchange.synthetic import faults
from exchange.synthetic.facts import History
from exchange.synthetic.feeds import county, directory, good_table, hearth, lakeside, prairie, willow
from exchange.synthetic.feeds.fhir import Resource, staff
from exchange.synthetic.feeds.lakeside import Message
from exchange.synthetic.store import Store

START, END = b"\x0b", b"\x1c\r"
_SENT_AGAIN = 400
_FOUNDED = datetime(2023, 1, 3, 9)  # noqa: DTZ001 - local time, as everywhere in the feeds


def deliver(path: Path, payload: bytes) -> None:
    """Write a file under another name first, so that nobody fetches half of it."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(payload)
    part.rename(path)


class Window:
    """The time from the previous day's feeds to this day's; `after` is None on the first day."""

    def __init__(self, after: datetime | None, now: datetime) -> None:
        self.after, self.now = after, now

    def holds(self, moment: datetime) -> bool:
        return moment <= self.now and (self.after is None or moment > self.after)

    @property
    def day(self) -> str:
        return f"{self.now:%Y%m%d}"


class Spool:
    """Messages put in order of time, month by month, so that no more than a month is in memory."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.months: dict[str, TextIO] = {}

    def add(self, message: Message) -> None:
        month = f"{message.sent:%Y%m}"
        if month not in self.months:
            self.months[month] = (self.folder / f"{month}.spool").open("w", encoding="utf-8")
        line = [message.sent.isoformat(), message.control, message.payload.decode()]
        self.months[month].write(json.dumps(line) + "\n")

    def in_order(self) -> Iterator[bytes]:
        """Every message once; the spool is empty afterwards."""
        for month, file in sorted(self.months.items()):
            file.close()
            path = self.folder / f"{month}.spool"
            with path.open(encoding="utf-8") as lines:
                for line in sorted(lines):
                    yield json.loads(line)[2].encode()
            path.unlink()
        self.months.clear()


class Hospital:
    """`messages_<day>.mllp`: framed messages in order of time, as they will go over the wire."""

    def __init__(self, folder: Path, window: Window) -> None:
        self.folder, self.window = folder, window
        self.spool = Spool(folder)

    def add(self, history: History) -> None:
        for message in lakeside.messages(history):
            if self.window.holds(message.sent):
                self.spool.add(message)

    def close(self) -> None:
        if self.window.after is None:
            for _, message in faults.hospital(self.window.now):
                self.spool.add(message)
        path = self.folder / f"messages_{self.window.day}.part"
        with path.open("wb") as file:
            for number, payload in enumerate(self.spool.in_order(), start=1):
                # An interface engine that misses an acknowledgement sends the message again.
                times = 2 if number % _SENT_AGAIN == 0 else 1
                file.write((START + payload + END) * times)
        path.rename(path.with_suffix(".mllp"))


class County:
    """Batch files of at most county.BATCH messages."""

    def __init__(self, folder: Path, window: Window) -> None:
        self.window = window
        self.vaccinations = Spool(folder / "immunizations")
        self.laboratory = Spool(folder / "laboratory")

    def add(self, history: History) -> None:
        for spool, found in (
            (self.vaccinations, county.vaccinations(history)),
            (self.laboratory, county.laboratory(history)),
        ):
            for message in found:
                if self.window.holds(message.sent):
                    spool.add(message)

    def close(self) -> None:
        if self.window.after is None:
            for _, message in faults.county(self.window.now):
                self.vaccinations.add(message)
        self._write(self.vaccinations, "VXU", "COUNTYIIS")
        self._write(self.laboratory, "ORU", "COUNTYLAB")

    def _write(self, spool: Spool, kind: str, application: str) -> None:
        for number, messages in enumerate(_chunks(spool.in_order(), county.BATCH), start=1):
            name = f"{kind}_{self.window.day}_{number:03d}.hl7"
            payload = county.batch(name, application, self.window.now, messages)
            deliver(spool.folder / name, payload)


def _chunks(items: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


class NursingHome:
    """One file per document."""

    def __init__(self, folder: Path, window: Window) -> None:
        self.folder, self.window = folder / "documents", window
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cut = window.after is not None

    def add(self, history: History) -> None:
        for document in willow.documents(history, self.window.now):
            if self.window.holds(document.written):
                deliver(self.folder / document.name, document.payload)
                if not self.cut:
                    self.cut = True
                    half = document.payload[: len(document.payload) // 2]
                    deliver(self.folder / faults.NURSING.where, half)

    def close(self) -> None:
        return


class Tables:
    """CSV files with a header, lines ended by LF."""

    def __init__(self, folder: Path, columns: dict[str, tuple[str, ...]], pattern: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.columns = columns
        self.paths = {name: folder / f"{pattern.format(name)}.part" for name in columns}
        self.files = {name: path.open("w", encoding="utf-8", newline="") for name, path in self.paths.items()}
        self.writers = {name: csv.writer(file, lineterminator="\n") for name, file in self.files.items()}
        for name, header in columns.items():
            self.writers[name].writerow(header)

    def row(self, name: str, row: dict[str, str]) -> None:
        self.writers[name].writerow([row.get(column, "") for column in self.columns[name]])

    def raw(self, name: str, cells: list[str]) -> None:
        """A row as it is, with as many columns as it has."""
        self.writers[name].writerow(cells)

    def close(self) -> None:
        for name, file in self.files.items():
            file.close()
            self.paths[name].rename(self.paths[name].with_suffix(""))


class Housing:
    """A full export into a folder of the day."""

    def __init__(self, folder: Path, window: Window) -> None:
        self.window = window
        self.tables = Tables(folder / f"hmis_{window.day}", hearth.COLUMNS, "{}.csv")
        for name, row in hearth.agency(window.now):
            self.tables.row(name, row)

    def add(self, history: History) -> None:
        for name, row in hearth.rows(history, self.window.now):
            self.tables.row(name, row)

    def close(self) -> None:
        if self.window.after is None:
            self.tables.raw("Services", ["S-FAULT-1", "E-FAULT-1", "H0000001"])
            wrong = {"EnrollmentID": "E-FAULT-1", "ProjectID": "P1", "EntryDate": "2026-05-01"}
            self.tables.row("Enrollment", wrong)
        self.tables.close()


class FoodBank:
    """Three files a day."""

    def __init__(self, folder: Path, window: Window) -> None:
        self.window = window
        self.tables = Tables(folder, good_table.COLUMNS, f"{{}}_{window.day}.csv")

    def add(self, history: History) -> None:
        for name, row in good_table.rows(history, self.window.after, self.window.now):
            self.tables.row(name, row)

    def close(self) -> None:
        if self.window.after is None:
            wrong = {"client_id": "GT-FAULT-1", "full_name": "Jamie Doe", "birth_date": "13/45/1980"}
            self.tables.row("people", wrong | {"gender": "Female", "language": "English"})
            self.tables.row("screenings", {"screening_id": "SC-FAULT-1", "screened_on": "11/02/2026"})
        self.tables.close()


class Source(Protocol):
    """A feed module of a FHIR system: feeds.prairie, feeds.harbor."""

    PARTNER: str

    def resources(self, history: History, now: datetime) -> Iterator[Resource]: ...


class Records:
    """The database of a partner with a FHIR system; from day 2 on its own clock dates the changes."""

    def __init__(self, folder: Path, window: Window, feed: Source) -> None:
        self.feed, self.window = feed, window
        self.store = Store(folder / "records.sqlite")
        self.store.begin(None if window.after is None else datetime.now(UTC))
        self.store.add(staff(feed.PARTNER, _FOUNDED))
        self.faulty = feed.PARTNER == prairie.PARTNER

    def add(self, history: History) -> None:
        self.store.add(self.feed.resources(history, self.window.now))
        contact = history.contact(self.feed.PARTNER)
        if contact and self.faulty:
            self.faulty = False
            entered = datetime.combine(history.today, time(8))
            self.store.add(body for _, body in faults.clinic(contact.key, entered))

    def close(self) -> None:
        self.store.finish()
        self.store.close()


def write_directory(folder: Path, now: datetime) -> None:
    """The directory of services has nothing to do with the people."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(directory.services(now), ensure_ascii=False, indent=1)
    (folder / "services.json").write_text(text, encoding="utf-8")
