"""The four source grammars: HL7 v2 paths, XPath, columns, JSON paths."""
