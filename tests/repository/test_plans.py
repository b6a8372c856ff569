"""Statements that matter keep using their indexes under row-level security."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl
from uuid import uuid4

import pytest
from repository_world import BASE, HOSPITAL, KEY, observation

from exchange.model.ids import golden_id
from exchange.repository import search
from exchange.repository.disclosure.births import BIRTHS
from exchange.repository.disclosure.follow import REFERRING
from exchange.repository.disclosure.surroundings import ASKING
from exchange.repository.reading import include
from exchange.repository.reading.include import WHAT_REFERS
from exchange.repository.reading.matchers import Arguments, date
from exchange.repository.reading.members import _MEMBERS
from exchange.repository.reading.ordered import Range, ordered_sql
from exchange.repository.reading.query import parse_query
from exchange.repository.reading.reader import BEST_OF_CLUSTER, select
from exchange.repository.reading.statement import page_sql, sorted_sql, statement_of
from exchange.repository.reading.syntax import BadSearch
from exchange.repository.reading.versions import VERSIONS
from exchange.repository.reading.walk import START, Stretch, walks
from exchange.repository.storage.store import INDEX_TABLES


@pytest.fixture(scope="module")
def stocked(shared_world):
    """Enough Patients and Observations for the planner to prefer an index."""
    world = shared_world
    for n in range(12):
        patient = world.patient("hospital", str(n), name=[{"family": f"Family{n}"}])
        body = [observation("hospital", patient, f"{n}-{k}") for k in range(40)]
        for changes in ({}, {"status": "amended"}):
            world.publish(
                *(
                    world.item(
                        "hospital", {**resource, **changes}, cluster=b"said by two, %d" % (n // 2 * 40 + k)
                    )
                    for k, resource in enumerate(body)
                )
            )
    world.conn.execute("ANALYZE")
    world.conn.commit()
    return world


def _plan(world, condition, arguments):
    with world.as_viewer(HOSPITAL) as view:
        statement = f"EXPLAIN SELECT r.rid FROM resource r WHERE {condition}"
        return "\n".join(row[0] for row in select(view, statement, arguments))


def test_records_of_a_patient_are_found_by_index(stocked):
    number = stocked.conn.execute("SELECT patient FROM patient LIMIT 1").fetchone()[0]
    plan = _plan(stocked, "r.type = 'Observation' AND r.patient = ANY(%s::int[])", ([number],))
    assert "resource_patient" in plan


@pytest.mark.parametrize(
    ("table", "condition", "index"),
    [
        ("index_token", "key = 1", "index_token_key"),
        ("index_reference", "target = '5d0e6c4a-6a57-5b64-9d3a-0d4a3f2b7e11'", "index_reference_target"),
        ("index_date", "param = 1 AND low >= '2026-01-01'", "index_date_low"),
        ("index_string", "param = 1 AND value >= 'a' AND value < 'b'", "index_string_value"),
        ("index_quantity", "param = 1 AND value > 5", "index_quantity_value"),
    ],
)
def test_comparisons_reach_the_index_below_the_policy(stocked, table, condition, index):
    """The database lets only leak-proof operators pass below a policy; another one would read every row."""
    with stocked.as_viewer(HOSPITAL) as view:
        view.conn.execute("SET LOCAL enable_seqscan = off")
        rows = select(view, f"EXPLAIN SELECT rid FROM {table} WHERE {condition}", ())
    assert index in "\n".join(row[0] for row in rows)


@pytest.mark.parametrize(
    ("kind", "asked", "indexes"),
    [
        ("Observation", "patient={golden}", ["resource_patient"]),
        ("Observation", "patient={golden}&code=2345-7&_sort=-date", ["index_token_key", "index_date_rid"]),
        ("Observation", "patient.family=Family3", ["resource_patient"]),
        ("Observation", "code=718-7", ["index_token_key"]),  # which few have
        ("Observation", "code-value-quantity=718-7$gt5", ["index_token_key"]),
        ("Observation", "value-quantity=gt500|http://unitsofmeasure.org|mg/dL", ["index_quantity_base"]),
        ("Observation", "encounter.status=finished", ["index_reference"]),
        ("Observation", "_lastUpdated=gt2027", ["resource_updated"]),
        # Of everybody what refers is found by its code and of one person by what it refers to.
        ("Encounter", "_has:Observation:encounter:code=718-7", ["index_token_key"]),
        ("Encounter", "patient={golden}&_has:Observation:encounter:code=2345-7", ["index_reference_target"]),
        ("Encounter", "_id={golden}", ["resource_type_fhir_id_rendition_key"]),
    ],
)
def test_a_search_reaches_its_indexes(stocked, kind, asked, indexes):
    fhir_id = str(stocked.conn.execute("SELECT fhir_id FROM patient LIMIT 1").fetchone()[0])
    with stocked.as_viewer(HOSPITAL) as view:
        query = parse_query(kind, parse_qsl(asked.format(golden=golden_id(fhir_id))), view.at)
        statement = statement_of(view, query)
        view.conn.execute("SET LOCAL enable_seqscan = off")
        sql = page_sql(view, query, statement, KEY)
        plan = "\n".join(row[0] for row in select(view, f"EXPLAIN {sql}", statement.arguments.values))
    assert [name for name in indexes if name not in plan] == [], plan


def _generic_plan(view, sql, values):
    """The plan that serves every value: what a prepared statement gets, which does not know them."""
    numbers = {name: n for n, name in enumerate(values, 1)}
    text = re.sub(r"%\((\w+)\)s", lambda found: f"${numbers[found[1]]}", sql)
    rows = view.conn.execute(f"EXPLAIN (GENERIC_PLAN) {text}", prepare=False).fetchall()
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("asked", ["code=2345-7", "status=final", "code=2345-7&status:not=final"])
def test_a_stretch_is_walked_in_order_of_id_and_nothing_is_sorted(stocked, asked):
    with stocked.as_viewer(HOSPITAL) as view:
        query = parse_query("Observation", parse_qsl(asked), view.at)
        statement = statement_of(view, query)
        sql = page_sql(view, query, statement, KEY, Stretch(START, 0.01))
        plan = _generic_plan(view, sql, statement.arguments.values)
    assert walks(query)
    assert "Sort" not in plan, plan
    assert "Bitmap" not in plan, plan
    assert re.search(r"resource_type_fhir_id_rendition_key on resource r .*\n.*fhir_id > .*fhir_id <= ", plan)
    assert re.search(r"index_token_rid_key on index_token x.*\n.*rid = r.rid\) AND \(key = ", plan), plan


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ("_sort=-date&code=2345-7", "index_date_low on index_date w"),
        ("_sort=date,value-quantity", "index_date_low on index_date w"),
    ],
)
def test_an_order_is_gone_through_along_its_index(stocked, asked, index):
    with stocked.as_viewer(HOSPITAL) as view:
        query = parse_query("Observation", parse_qsl(asked), view.at)
        statement = statement_of(view, query)
        sql = ordered_sql(view, query, statement, KEY, Range(query.sort[0].ends[0], query.sort[0].ends[1]))
        plan = _generic_plan(view, sql, statement.arguments.values)
    assert re.search(rf"{index} .*\n.*Index Cond: .*(low|value) [<>]= .* [<>]= ", plan), plan
    assert "Bitmap" not in plan, plan
    assert not re.search("Seq Scan on (resource|index_)", plan), plan
    assert "Anti Join" not in plan, plan


@pytest.mark.parametrize("asked", ["code:not=2345-7", "combo-code:not=2345-7", "value-quantity:missing=true"])
def test_what_must_not_be_said_is_looked_up_for_each_record(stocked, asked):
    """Joined, all that say it would be gone through for each record where the planner expects few."""
    with stocked.as_viewer(HOSPITAL) as view:
        query = parse_query("Observation", parse_qsl(asked), view.at)
        statement = statement_of(view, query)
        plan = _generic_plan(view, page_sql(view, query, statement, KEY), statement.arguments.values)
    assert "Anti Join" not in plan, plan
    assert re.search(r"index_(token_rid_key|quantity_rid) on index_\w+ x.*\n.*rid = r\.rid", plan), plan


@pytest.mark.parametrize("statement", [f"SELECT FROM resource r WHERE {BEST_OF_CLUSTER}", _MEMBERS])
def test_members_of_a_cluster_are_reached_by_whom_they_are_about(stocked, statement):
    """What many people have in common grew with its square: of each it was asked whether he is the same."""
    with stocked.as_viewer(HOSPITAL) as view:
        plan = _generic_plan(view, *_numbered(statement))
    reached = r"Index Cond: \(\(cluster = \w+\.cluster\) AND \(patient = ANY \(same_people"
    assert re.search(reached, plan), plan


def test_what_is_referred_to_is_found_from_what_refers(stocked):
    """Asked of each record instead, a search that finds nothing read all there are."""
    with stocked.as_viewer(HOSPITAL) as view:
        query = parse_query("Encounter", [("_has:Observation:encounter:code", "718-7")], view.at)
        statement = statement_of(view, query)
        plan = _generic_plan(view, page_sql(view, query, statement, KEY), statement.arguments.values)
    named = r"resource_type_fhir_id_rendition_key on resource r .*\n.*fhir_id = \(x\.target\)"
    assert re.search(named, plan), plan


def test_a_chain_that_leads_to_few_names_them(stocked):
    """Where it may lead to many types, all records were asked whether they lead to one of them."""
    with stocked.as_viewer(HOSPITAL) as view:
        query = parse_query("Observation", [("performer.name", "nobody")], view.at)
        statement = statement_of(view, query)
        plan = _generic_plan(view, page_sql(view, query, statement, KEY), statement.arguments.values)
    assert "index_reference" in plan, plan
    assert "index_string" not in plan, plan


def test_what_refers_is_included_along_indexes(stocked):
    names = ("type", "patients", "params", "ids")
    with stocked.as_viewer(HOSPITAL) as view:
        view.conn.execute("SET LOCAL enable_seqscan = off")
        sql = f"SELECT r.rid FROM resource r WHERE {WHAT_REFERS}"
        plan = _generic_plan(view, sql, dict.fromkeys(names))
    assert re.search(r"resource_pkey on resource r .*\n.*rid = ", plan), plan


def test_no_more_is_included_than_fits_in_a_page(stocked, monkeypatch):
    asked = [("_count", "1"), ("_revinclude", "Observation:patient")]
    with stocked.as_viewer(HOSPITAL) as view:
        assert len(search(view, "Patient", asked, BASE, KEY).entries) == 41
        monkeypatch.setattr(include, "MOST", 39)
        with pytest.raises(BadSearch, match="more than 39 resources would be included"):
            search(view, "Patient", asked, BASE, KEY)
        monkeypatch.setattr(include, "MOST", 11)  # of the 12 whom all these are about
        with pytest.raises(BadSearch, match="more than 11 resources would be included"):
            search(view, "Observation", [("_count", "500"), ("_include", "Observation:patient")], BASE, KEY)


def test_nothing_is_left_out_unsaid_beside_what_is_known_already(stocked, monkeypatch):
    golden = golden_id(str(stocked.conn.execute("SELECT fhir_id FROM patient LIMIT 1").fetchone()[0]))
    asked = [("patient", golden), ("_count", "10"), ("_include", "Observation:patient")]
    asked.append(("_revinclude:iterate", "Observation:patient"))
    with stocked.as_viewer(HOSPITAL) as view:
        assert len(search(view, "Observation", asked, BASE, KEY).entries) == 41
        monkeypatch.setattr(include, "MOST", 35)  # 30 are new, of 40 that refer
        with pytest.raises(BadSearch, match="more than 35 resources would be included"):
            search(view, "Observation", asked, BASE, KEY)


def test_few_dates_are_found_by_their_index_and_sorted_then(stocked):
    """In order of id all records were read, in the hope to meet enough that match."""
    with stocked.as_viewer(HOSPITAL) as view:
        query = parse_query("Observation", [("date", "lt1900")], view.at)
        statement = statement_of(view, query)
        sql = sorted_sql(view, query, statement, KEY, by_index=True)
        view.conn.execute("SET LOCAL enable_sort = off")  # as if there were a great many records
        plan = _generic_plan(view, sql, statement.arguments.values)
        view.conn.execute("SET LOCAL enable_sort = on")  # the transaction may go on
    assert re.search(r"index_date_low on index_date x .*\n.*low < ", plan), plan


def test_a_range_of_time_is_found_within_it_and_among_what_is_long(stocked):
    """By one end of it alone, half of all times was read."""
    asked = [("date", "ge2026-01-01"), ("date", "lt2026-02-01")]
    with stocked.as_viewer(HOSPITAL) as view:
        query = parse_query("Observation", asked, view.at)
        statement = statement_of(view, query)
        view.conn.execute("SET LOCAL enable_seqscan = off")
        sql = sorted_sql(view, query, statement, KEY, by_index=True)
        plan = _generic_plan(view, sql, statement.arguments.values)
        view.conn.execute("SET LOCAL enable_seqscan = on")
    assert re.search(r"index_date_low on index_date x.*\n.*low >= \S+ AND \(low <=? ", plan), plan
    assert "index_date_long" in plan, plan


@pytest.mark.parametrize(
    ("name", "value", "index"),
    [
        ("date", "2026", "index_date_rid"),
        ("_profile:below", "http://hl7.org/fhir", "index_string_rid"),
        ("value-quantity", "gt5|http://unitsofmeasure.org|mg", "index_quantity_rid"),
        ("performer", "Practitioner/5d0e6c4a-6a57-5b64-9d3a-0d4a3f2b7e11", "index_reference_rid"),
    ],
)
def test_on_the_way_what_a_record_has_is_compared_and_not_all_that_has_the_value(stocked, name, value, index):
    """All that have it were read for each record, or before the first: 0.4 s of a page that takes 2 ms."""
    with stocked.as_viewer(HOSPITAL) as view:
        query = parse_query("Observation", [(name, value)], view.at)
        statement = statement_of(view, query, few=True)
        view.conn.execute("SET LOCAL enable_seqscan = off")
        sql = page_sql(view, query, statement, KEY, Stretch(START, 0.01))
        plan = _generic_plan(view, sql, statement.arguments.values)
        view.conn.execute("SET LOCAL enable_seqscan = on")
    assert re.search(rf"Subquery Scan on x .*\n.*Filter: .*\n.*Index Scan using {index} on ", plan), plan


def test_which_of_duplicates_is_the_best_is_asked_of_the_page_alone(stocked):
    """Asked of all that match, it took most of the time of a search that sorts them."""
    with stocked.as_viewer(HOSPITAL) as view:
        query = parse_query("Observation", [("code", "2345-7"), ("_sort", "-date"), ("_count", "5")], view.at)
        statement = statement_of(view, query)
        sql = sorted_sql(view, query, statement, KEY, by_index=True)
        rows = select(view, f"EXPLAIN (ANALYZE) {sql}", statement.arguments.values)
    plan = "\n".join(row[0] for row in rows)
    asked = re.search(r"loops=(\d+)\)\n.*same_people\(r", plan)
    assert asked, plan
    assert int(asked[1]) < 20  # of 480


def test_a_day_is_looked_up_by_where_spans_begin(stocked):
    with stocked.as_viewer(HOSPITAL) as view:
        view.conn.execute("SET LOCAL enable_seqscan = off")
        criterion = parse_query("Observation", [("date", "2026-01-02")], view.at).where.criteria[0]
        arguments = Arguments()
        sql = f"SELECT FROM index_date x WHERE {date('2026-01-02', criterion, arguments, 0)}"
        plan = _generic_plan(view, sql, arguments.values)
    assert re.search(r"Index Cond: .*low >= .*low < ", plan), plan


def _numbered(statement):
    """A statement with its arguments named, and their names."""
    first, *rest = statement.split("%s")
    named = first + "".join(f"%(a{n})s{part}" for n, part in enumerate(rest))
    return named, {f"a{n}": None for n in range(len(rest))}


def test_births_are_looked_up_by_key_and_not_among_everybody(stocked):
    stocked.conn.execute("RESET ROLE")
    rows = stocked.conn.execute(f"EXPLAIN {BIRTHS}", [[1, 2, 3]]).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert "SubPlan" not in plan, plan  # asked of every Patient there is, for each one asked about


def test_who_may_ask_about_a_record_is_found_by_what_consents_name(stocked):
    stocked.conn.execute("RESET ROLE")
    stocked.conn.execute("SET LOCAL enable_seqscan = off")
    condition = ASKING.partition("WHERE ")[2].partition("\n")[0]
    given = {"names": ["DiagnosticReport/1"]}
    rows = stocked.conn.execute(f"EXPLAIN SELECT FROM directive d WHERE {condition}", given).fetchall()
    assert "directive_data" in "\n".join(row[0] for row in rows)


def test_what_refers_to_many_labelled_records_is_looked_up_and_not_read_out_of_all(stocked):
    stocked.conn.execute("RESET ROLE")
    rows = stocked.conn.execute("SELECT type || '/' || fhir_id, fhir_id FROM resource").fetchall() * 40
    given = {
        "names": [name for name, _ in rows],
        "ids": [fhir_id for _, fhir_id in rows],
        "codes": ["HIV"] * len(rows),
    }
    stocked.conn.execute("SET LOCAL enable_seqscan = off")  # so few are quicker read one after the other
    plan = "\n".join(row[0] for row in stocked.conn.execute(f"EXPLAIN {REFERRING}", given).fetchall())
    stocked.conn.rollback()
    looked_up = plan[plan.index("index_reference_target") :]
    assert "resource_pkey" in looked_up, plan
    assert "rid = index_reference.rid" in looked_up, plan


def test_a_history_reaches_its_indexes(stocked):
    arguments = Arguments()
    one = f"v.type = {arguments.add('Observation')} AND v.fhir_id = {arguments.add(uuid4())}"
    statement = VERSIONS.format(where=one, limit=10)
    with stocked.as_viewer(HOSPITAL) as view:
        view.conn.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in select(view, f"EXPLAIN {statement}", arguments.values))
    assert "resource_history_pkey" in plan, plan
    assert "resource_type_fhir_id_rendition_key" in plan
    asked = [line for line in plan.splitlines() if "unbroken(" in line]
    # Of hidden records it is not asked: their answer would take the longer, the longer their history is.
    assert [line for line in asked if line.rindex("unbroken(") < line.rindex("get_byte(")] == []
    assert asked


def test_a_search_by_patient_answers_from_those_plans(stocked):
    fhir_id = str(stocked.conn.execute("SELECT fhir_id FROM patient LIMIT 1").fetchone()[0])
    with stocked.as_viewer(HOSPITAL) as view:
        page = search(
            view, "Observation", [("patient", golden_id(fhir_id)), ("_total", "accurate")], BASE, KEY
        )
    assert page.total == 40


def test_tables_that_grow_are_vacuumed_and_analysed_early(stocked):
    rows = stocked.conn.execute(
        "SELECT relname FROM pg_class WHERE 'autovacuum_analyze_scale_factor=0.02' = ANY (reloptions)"
    ).fetchall()
    assert {row[0] for row in rows} == {"resource", *INDEX_TABLES}
