"""One file per kind: an object into cells, colour roles and actions. No Textual here."""
