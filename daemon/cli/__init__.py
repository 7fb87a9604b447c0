"""The command `pro-engine`, one module a command."""
