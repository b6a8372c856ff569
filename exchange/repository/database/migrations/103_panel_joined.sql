-- Since when each member is in a panel. A bulk export that asks what changed since an instant holds everything of
-- whoever joined after it: nothing of him changed, and yet all of it is new to the one who asks.

ALTER TABLE panel ADD COLUMN joined jsonb NOT NULL DEFAULT '{}';    -- instant by the id the member was named by

UPDATE panel p SET joined = (
    SELECT coalesce(jsonb_object_agg(substring(m->'entity'->>'reference' FROM '[^/]*$'), to_jsonb(p.updated)), '{}')
    FROM jsonb_array_elements(p.body->'member') AS m);

-- As 046_care.sql, and keeps who joined when; who was left out meanwhile joins anew.
CREATE OR REPLACE FUNCTION keep_panel(
    given_panel uuid, given_body jsonb, members uuid[], given_until timestamptz, expected int, most int
) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    asking text := current_participant();
    kept int;
    before jsonb;
    since jsonb;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('panel ' || asking, 0));
    SELECT p.version, p.joined INTO kept, before
    FROM panel p WHERE (p.participant, p.panel) = (asking, given_panel);
    IF coalesce(kept, 0) <> coalesce(expected, kept, 0)
        OR kept IS NULL AND (SELECT count(*) FROM panel p WHERE p.participant = asking) >= most
    THEN
        RETURN NULL;
    END IF;
    PERFORM state_care('panel', 'Group/' || given_panel, members, given_until);
    SELECT coalesce(jsonb_object_agg(m, coalesce(before -> m::text, to_jsonb(current_instant()))), '{}') INTO since
    FROM unnest(members) AS m;
    INSERT INTO panel AS p (participant, panel, version, updated, body, joined)
    VALUES (asking, given_panel, 1, current_instant(), given_body, since)
    ON CONFLICT (participant, panel) DO UPDATE
    SET version = p.version + 1, updated = excluded.updated, body = excluded.body, joined = excluded.joined;
    RETURN coalesce(kept, 0) + 1;
END $$;
