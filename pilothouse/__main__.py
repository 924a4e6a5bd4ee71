"""`python -m pilothouse`: the same as the pilothouse command."""

from pilothouse.main import main

main()
