"""Storage drivers of others (CSI): how they announce themselves, and the calls by which they mount volumes."""
