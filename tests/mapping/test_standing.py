"""Where elements stand is told as lxml tells it, and counted once for all that stand beside one another."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

from exchange.mapping.paths import observed, standing
from exchange.mapping.paths.standing import Standing
from exchange.mapping.paths.xpath import _position, xpath_grammar
from exchange.mapping.run import Run
from exchange.model.records import SourceRecord

RESIDENT = Path(__file__).parents[2] / "mappings/willow_nursing/samples/documents/resident.xml"


def _some_element(random: Random, depth: int = 0) -> str:
    name = random.choice(("a", "b", "p:a", "p:b", "q:a"))
    space = random.choice(("", "", " xmlns='u:1'", " xmlns=''", " xmlns:p='u:9'"))
    inner = "".join(_some_element(random, depth + 1) for _ in range(random.randrange(4))) if depth < 3 else ""
    return f"{random.choice(('', '<!--c-->', '<?pi x?>', 'text'))}<{name}{space}>{inner}</{name}>"


def _documents() -> list[Any]:
    random = Random(3)
    made = ["".join(_some_element(random) for _ in range(4)) for _ in range(60)]
    texts = [f"<r xmlns='u:1' xmlns:p='u:p' xmlns:q='u:p'>{text}</r>".encode() for text in made]
    return [etree.fromstring(text) for text in (RESIDENT.read_bytes(), *texts)]


def test_an_element_stands_where_lxml_says_and_at_the_position_that_issues_tell() -> None:
    for root in _documents():
        stands, tree = Standing(), root.getroottree()
        elements = list(root.iter(etree.Element))
        Random(1).shuffle(elements)
        for element in elements:
            assert stands.address(element) == tree.getpath(element)
            assert stands.position(element) == _position(element)


def test_what_stands_in_one_parent_is_gone_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parents: Counter[Any] = Counter()
    number = standing._numbered

    def counted(parent: Any, kind: Any) -> Any:
        parents[parent] += 1
        return number(parent, kind)

    monkeypatch.setattr(standing, "_numbered", counted)
    stands = Standing()
    elements = list(etree.parse(RESIDENT).iter(etree.Element))
    assert len(set(map(stands.address, elements))) == len(elements)
    assert set(parents) == {element for element in elements if len(element)}
    assert set(parents.values()) == {1}


def test_what_is_read_from_the_root_is_looked_for_once_in_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = observed.compiled_xpath
    evaluated: Counter[str] = Counter()

    def watched(path: str, *, smart: bool = False) -> Any:
        select = compiled(path, smart=smart)
        return lambda node: evaluated.update([path]) or select(node)

    monkeypatch.setattr(observed, "compiled_xpath", watched)
    grammar = observed.observed_grammar(xpath_grammar(), "ccda")
    root = grammar.open(RESIDENT.read_bytes())
    run = Run(SourceRecord("a", "b", "1", "ccda", b"", "1", False), root, UUID(int=0))
    for element in (root, root[3], root[5]):
        assert grammar.value("//title")(element, run)
        grammar.value("@classCode")(element, run)
    assert evaluated == {"//title": 1, "@classCode": 3}
    assert f"{root.getroottree().getpath(next(root.iter('{*}title')))}/**" in run.seen
