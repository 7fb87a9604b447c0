"""What a project's database is made of, to compare one with another."""

from __future__ import annotations

from tests.supabase.conftest import Project

OURS = ("user_profiles", "subscription_tiers", "usage_logs", "usage_reservations", "usage_counters")
ROLES = ("anon", "authenticated", "service_role")
QUERIES = {
    "columns": """
        select table_name, column_name from information_schema.columns
         where table_schema = 'public' and table_name = any(%(tables)s::text[])
    """,
    "policies": """
        select tablename, policyname, permissive, roles::text, cmd, qual, with_check from pg_policies
         where schemaname = 'public'
    """,
    "row security": """
        select relname, relrowsecurity from pg_class
         where relnamespace = 'public'::regnamespace and relname = any(%(tables)s::text[])
    """,
    "triggers": """
        select event_object_table, trigger_name, event_manipulation, action_timing, action_statement
          from information_schema.triggers where trigger_name like 'pro_engine%%'
    """,
    "functions": """
        select p.oid::regprocedure::text, md5(prosrc), prosecdef, provolatile, proconfig::text from pg_proc p
         where pronamespace in ('public'::regnamespace, 'private'::regnamespace)
    """,
    "who may execute": """
        select p.oid::regprocedure::text, role from pg_proc p, unnest(%(roles)s::text[]) role
         where pronamespace in ('public'::regnamespace, 'private'::regnamespace)
           and has_function_privilege(role, p.oid, 'execute')
    """,
    "who may do what": """
        select t.name, role, deed from unnest(%(tables)s::text[]) t(name), unnest(%(roles)s::text[]) role,
          unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) deed
         where has_table_privilege(role, 'public.' || t.name, deed)
    """,
    "indexes": "select indexname from pg_indexes where schemaname = 'public' and indexname like 'usage_%%'",
}
Catalog = dict[str, set[tuple[object, ...]]]


def catalog(project: Project) -> Catalog:
    values = {"tables": list(OURS), "roles": list(ROLES)}
    return {name: set(project.operator.execute(query.encode(), values).fetchall()) for name, query in QUERIES.items()}
