-- By which rules it was decided again what an answer left out: those that were in force when it was given, where the
-- officers' record tells.
ALTER TABLE answer_withheld ADD rules text;    -- digest of the ruleset; NULL: noted before it was written down
