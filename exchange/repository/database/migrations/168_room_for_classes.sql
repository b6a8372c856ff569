-- A class for which `shown` has no byte any more takes it away, whoever may see the class: looked up for a viewer without
-- a permit of it, the missing byte was an error of every search. Where there is none, each row asks `disclosure`.
CREATE FUNCTION drop_shown_without_room() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM shown s WHERE EXISTS (SELECT FROM added a WHERE a.class >= length(s.classes));
    RETURN NULL;
END $$;
CREATE TRIGGER class_added AFTER INSERT ON disclosure_class REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION drop_shown_without_room();
ALTER TABLE disclosure_class ENABLE ALWAYS TRIGGER class_added;
