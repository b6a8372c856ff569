-- The API searches no records by their source's number: whoever writes SQL as its role has no use for the function.
REVOKE ALL ON FUNCTION number_of_key FROM PUBLIC;
