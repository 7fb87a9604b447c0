"""Moving the users and the usage of an older app from its SQLite file to a Supabase project, with nothing lost.

Each step is a function in the module of its name: audit, backup, plan, apply, verify, rollback, cleanup. What is done
stands in a ledger beside the file before it is done, so each step may be killed anywhere, and goes on when run again.
"""
