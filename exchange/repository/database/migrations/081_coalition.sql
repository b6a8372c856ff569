-- Figures for everybody, counted once a day before they are suppressed, so that no two of a day differ by one person.
CREATE TABLE coalition_figures (
    day date PRIMARY KEY,
    figures jsonb NOT NULL
);
