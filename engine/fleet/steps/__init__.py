"""The steps of a join, one file each. A step knows its own thing: how to see that it is done, and how to do it."""
