-- Links that only the index makes: the steward is asked where one is passed over (decision 0116).
CREATE INDEX patient_edge_unless_another ON patient_edge (a, b) WHERE a < b AND basis LIKE '%-may-be-another';
