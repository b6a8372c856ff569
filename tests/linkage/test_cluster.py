"""Persons come out the same in any order of arrival, and never hold two people who contradict each other."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exchange.linkage import Edge, partition

MEMBERS = "abcdefg"
PAIRS = [(x, y) for x in MEMBERS for y in MEMBERS if x < y]
edges = st.lists(
    st.builds(
        lambda pair, by, probability, unclear: Edge(
            *pair,
            by,
            probability,
            by != "model" or not unclear,
            frozenset(pair[:unclear] if by == "model" else ()),
        ),
        st.sampled_from(PAIRS),
        st.sampled_from(["steward", "partner", "model"]),
        st.sampled_from([0.97, 0.98, 0.99]),
        st.sampled_from([0, 0, 1, 2]),
    ),
    max_size=12,
    unique_by=lambda edge: (edge.a, edge.b),
)
aparts = st.dictionaries(
    st.sampled_from(PAIRS).map(frozenset), st.sampled_from(["steward", "model"]), max_size=4
)


def model_edge(a, b, probability=0.99):
    return Edge(a, b, "model", probability)


@given(edges, aparts, st.randoms())
def test_the_order_of_links_changes_nothing(links, apart, random):
    before = partition(MEMBERS, links, apart)
    random.shuffle(links)
    turned = [replace(link, a=link.b, b=link.a) for link in links]

    assert partition(reversed(MEMBERS), turned, apart) == before


@given(edges, aparts)
def test_the_word_of_a_steward_to_keep_two_apart_holds_against_all(links, apart):
    persons = partition(MEMBERS, links, apart)

    assert all(
        persons[a] != persons[b]
        for (a, b), by in ((tuple(p), by) for p, by in apart.items())
        if by == "steward"
    )


@given(edges, aparts)
def test_the_model_never_joins_two_who_contradict_each_other(links, apart):
    by_model = [link for link in links if link.authority == "model"]
    persons = partition(MEMBERS, by_model, apart)

    assert all(persons[a] != persons[b] for a, b in map(tuple, apart))


@given(edges)
def test_a_person_is_named_by_the_smallest_of_its_records(links):
    persons = partition(MEMBERS, links, {})

    assert all(persons[leader] == leader <= member for member, leader in persons.items())


def test_a_record_that_may_be_somebody_else_joins_one_person_and_never_two():
    fits_both = [Edge(end, "b", "model", 0.99, False, frozenset("b")) for end in "ac"]

    assert partition("abc", fits_both, {}) == {"a": "a", "b": "b", "c": "c"}
    assert set(partition("abc", [*fits_both, model_edge("a", "c")], {}).values()) == {"a"}
    one_by_others = [model_edge("a", "d"), model_edge("c", "d")]
    assert set(partition("abcd", [*fits_both, *one_by_others], {}).values()) == {"a"}


def test_the_weaker_link_of_a_contradiction_gives_way():
    links = [model_edge("a", "b", 0.97), model_edge("b", "c", 0.99)]

    assert partition("abc", links, {frozenset("ac"): "model"}) == {"a": "a", "b": "b", "c": "b"}


def test_what_a_partner_merged_is_believed_against_the_model():
    links = [Edge("a", "b", "partner", 1.0), Edge("b", "c", "partner", 1.0)]

    assert set(partition("abc", links, {frozenset("ac"): "model"}).values()) == {"a"}


def test_the_model_stops_at_the_size_no_person_has():
    members = [f"{number:03}" for number in range(150)]
    links = [model_edge(members[0], other) for other in members[1:]]

    assert max(map(list(partition(members, links, {}).values()).count, members)) == 100


def test_a_probable_link_that_fits_two_who_are_kept_apart_holds_for_neither():
    """A record without a birth date at the home of a father and a son of one name."""
    unclear = [Edge("a", "x", "model", 0.999, False), Edge("b", "x", "model", 0.9999, False)]
    apart = {frozenset("ab"): "model"}

    assert partition("abx", unclear, apart) == {"a": "a", "b": "b", "x": "x"}
    assert partition("abx", unclear, {}) == dict.fromkeys("abx", "a")
    certain = [unclear[0], Edge("b", "x", "model", 0.9999, True)]
    assert partition("abx", certain, apart) == {"a": "a", "b": "b", "x": "b"}
