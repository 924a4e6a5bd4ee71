"""The pilothouse command: one file per subcommand, wiring the programs together."""
