-- What lies between the steps is other than before: chunks under way are mapped again.
UPDATE chunk c SET step = 'pulled' FROM run r WHERE r.run = c.run AND r.status = 'open' AND c.step <> 'published';
