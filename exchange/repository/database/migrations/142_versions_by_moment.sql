-- A version is named by the moment it was stored (microseconds since 1970, version_id()), not by its number, which
-- skips what a requester may not see. What is stored is renamed; `version` stays, and is told to nobody.

-- Versions of one form at one moment, or out of order, came in one batch or under a clock put back: the earlier are
-- dated back, as is done from now on where they are stored. The last keeps its moment. What came late has no name.
CREATE TEMP TABLE dated_back ON COMMIT DROP AS
WITH every AS (
    SELECT type, fhir_id, rendition, version, updated, true AS past FROM resource_history WHERE NOT late
    UNION ALL
    SELECT r.type, r.fhir_id, r.rendition, r.version, r.updated, false FROM resource r
    WHERE EXISTS (
        SELECT FROM resource_history h
        WHERE (h.type, h.fhir_id, h.rendition) = (r.type, r.fhir_id, r.rendition)
    )
), placed AS (
    SELECT *, row_number() OVER (PARTITION BY type, fhir_id, rendition ORDER BY version)
        * interval '1 microsecond' AS place
    FROM every
), dated AS (
    SELECT *, place + min(updated - place) OVER (
        PARTITION BY type, fhir_id, rendition ORDER BY version DESC ROWS UNBOUNDED PRECEDING
    ) AS moment
    FROM placed
)
SELECT type, fhir_id, rendition, version, moment FROM dated WHERE past AND moment <> updated;

CREATE FUNCTION pg_temp.named(body bytea, was timestamptz, moment timestamptz) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    said text := convert_from(body, 'UTF8');
    meta text := (said::json -> 'meta')::text;  -- as it is written; only there is the version the repository's
    told text := meta;
BEGIN
    IF meta IS NULL THEN
        RETURN body;
    END IF;
    told := replace(
        told, format('"versionId":%s', (meta::json -> 'versionId')::text),
        format('"versionId":"%s"', (extract(epoch FROM moment) * 1000000)::bigint)
    );
    IF moment <> was THEN
        told := replace(
            told, format('"lastUpdated":%s', (meta::json -> 'lastUpdated')::text),
            format('"lastUpdated":"%s"', to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
        );
    END IF;
    RETURN convert_to(replace(said, '"meta":' || meta, '"meta":' || told), 'UTF8');
END $$;

-- Receipts first, by the numbers they were written with: of forms that share a number the one whose class went out.
UPDATE receipt_item i SET version = (extract(epoch FROM s.moment) * 1000000)::bigint::text
FROM (
    SELECT DISTINCT ON (i.receipt, i.type, i.fhir_id) i.receipt, i.type, i.fhir_id, v.moment
    FROM receipt_item i
    JOIN (
        SELECT type, fhir_id, rendition, version, class, updated AS moment FROM resource
        UNION ALL
        SELECT h.type, h.fhir_id, h.rendition, h.version, h.class, coalesce(d.moment, h.updated)
        FROM resource_history h LEFT JOIN dated_back d USING (type, fhir_id, rendition, version)
    ) v ON v.fhir_id = i.fhir_id AND v.version::text = i.version AND i.type IN (v.type, 'Provenance')
    ORDER BY i.receipt, i.type, i.fhir_id, v.class = ANY(i.classes) DESC, v.rendition
) s
WHERE (i.receipt, i.type, i.fhir_id) = (s.receipt, s.type, s.fhir_id);

UPDATE resource SET body = pg_temp.named(body, updated, updated);
UPDATE resource_history h SET
    updated = coalesce(d.moment, h.updated),
    body = pg_temp.named(h.body, h.updated, coalesce(d.moment, h.updated))
FROM resource_history o LEFT JOIN dated_back d USING (type, fhir_id, rendition, version)
WHERE (o.type, o.fhir_id, o.rendition, o.version) = (h.type, h.fhir_id, h.rendition, h.version);

DROP FUNCTION pg_temp.named;
