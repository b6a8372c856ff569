-- What an accounting of disclosures leaves out for a time, because a health oversight agency or law enforcement official
-- said that it would impede their work: 45 CFR 164.528(a)(2), and 42 CFR 2.25(a) by reference.
-- An oral statement holds for thirty days at most; a written one as long as it says.
CREATE TABLE accounting_suspension (
    suspension bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient uuid NOT NULL,                     -- id of any Patient of the person
    participant text NOT NULL,                 -- the agency or official that got the records
    official text NOT NULL CHECK (official <> ''), -- who made the statement
    statement text NOT NULL CHECK (statement IN ('written', 'oral')),
    stated date NOT NULL,
    until date NOT NULL,                       -- the last day
    recorded timestamptz NOT NULL,
    recorded_by text NOT NULL,
    ended timestamptz,                         -- before its time
    ended_by text,
    CHECK (until >= stated),
    CHECK (statement = 'written' OR until <= stated + 30),
    CHECK ((ended IS NULL) = (ended_by IS NULL))
);

-- What was documented stays as it was written; it only ends, once.
CREATE FUNCTION suspension_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.ended IS NULL
       AND (to_jsonb(OLD) - '{ended,ended_by}'::text[]) = (to_jsonb(NEW) - '{ended,ended_by}'::text[]) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % is refused: what was documented stands', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER stands BEFORE UPDATE OR DELETE ON accounting_suspension
    FOR EACH ROW EXECUTE FUNCTION suspension_stands();
