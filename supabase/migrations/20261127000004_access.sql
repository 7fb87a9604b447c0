-- Who may see and do what. Two layers: policies say which rows, grants say which deeds; each alone would hold.
-- Our policies and triggers are named pro_engine_…; the owner's own stay beside them.

alter table public.user_profiles enable row level security;
alter table public.subscription_tiers enable row level security;
alter table public.usage_logs enable row level security;
alter table public.usage_reservations enable row level security;
alter table public.usage_counters enable row level security;

drop policy if exists pro_engine_tiers on public.subscription_tiers;
create policy pro_engine_tiers on public.subscription_tiers for select to anon, authenticated using (true);

drop policy if exists pro_engine_profile on public.user_profiles;
create policy pro_engine_profile on public.user_profiles for select to authenticated
  using ((select auth.uid()) = id);

drop policy if exists pro_engine_logs on public.usage_logs;
create policy pro_engine_logs on public.usage_logs for select to authenticated
  using ((select auth.uid()) = user_id);

drop policy if exists pro_engine_log on public.usage_logs;
create policy pro_engine_log on public.usage_logs for insert to authenticated
  with check ((select auth.uid()) = user_id);

-- Restrictive: whatever other policies allow, no user edits or removes what she is charged for.
drop policy if exists pro_engine_logs_stay on public.usage_logs;
create policy pro_engine_logs_stay on public.usage_logs as restrictive for update to anon, authenticated using (false);
drop policy if exists pro_engine_logs_last on public.usage_logs;
create policy pro_engine_logs_last on public.usage_logs as restrictive for delete to anon, authenticated using (false);

drop policy if exists pro_engine_reservations on public.usage_reservations;
create policy pro_engine_reservations on public.usage_reservations for select to authenticated
  using ((select auth.uid()) = user_id);

drop policy if exists pro_engine_counters on public.usage_counters;
create policy pro_engine_counters on public.usage_counters for select to authenticated
  using ((select auth.uid()) = user_id);

-- Of a row that a user writes herself, the server's clock and the link to a charge are the server's to say.
-- No definer: current_user must be the caller.
create or replace function private.stamp_log() returns trigger
language plpgsql set search_path = '' as $$
begin
  if current_user in ('anon', 'authenticated') then
    new.created_at := now();
    new.event_id := null;
    new.event_status := 'done';
  end if;
  return new;
end $$;
create or replace trigger pro_engine_stamp before insert on public.usage_logs
  for each row execute function private.stamp_log();

-- Owners may let users make and edit their profiles; a tier other than the first is not for them to set.
create or replace function private.guard_tier() returns trigger
language plpgsql set search_path = '' as $$
declare
  first_tier text;
begin
  if current_user not in ('anon', 'authenticated') then
    return new;
  end if;
  if tg_op = 'UPDATE' then
    first_tier := quote_literal(old.subscription_tier);
  else
    select split_part(pg_get_expr(d.adbin, d.adrelid), '::', 1) into first_tier
      from pg_catalog.pg_attrdef d
      join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
     where d.adrelid = tg_relid and a.attname = 'subscription_tier';
  end if;
  if quote_literal(new.subscription_tier) is distinct from first_tier then
    raise exception 'a tier is not for its user to set' using errcode = '42501';
  end if;
  return new;
end $$;
create or replace trigger pro_engine_guard before insert or update on public.user_profiles
  for each row execute function private.guard_tier();

-- An error here would make every sign-up fail, so there is none: whoever has no profile gets one with her first job.
create or replace function private.welcome() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  begin
    insert into public.user_profiles (id) values (new.id) on conflict do nothing;
  exception when others then
    raise warning 'pro-engine: no profile for %: %', new.id, sqlerrm;
  end;
  return new;
end $$;
create or replace trigger pro_engine_welcome after insert on auth.users
  for each row execute function private.welcome();

-- As a function, to be applied again: some projects grant everything on new tables, some nothing.
create or replace function private.apply_grants() returns void
language plpgsql set search_path = '' as $$
declare
  theirs text; -- columns of the log that whoever writes a line herself may fill in: all but ours
begin
  select string_agg(quote_ident(column_name), ', ') into theirs
    from information_schema.columns
   where table_schema = 'public' and table_name = 'usage_logs'
     and column_name not in ('event_id', 'event_status', 'event_at', 'device_id', 'device_seq');
  grant usage on schema public to anon, authenticated, service_role;
  grant usage on schema private to authenticated, service_role;
  revoke all on public.usage_reservations, public.usage_counters from public, anon, authenticated;
  revoke all on public.usage_logs, public.user_profiles from public, anon;
  revoke insert, update, delete, truncate, references, trigger on public.usage_logs from authenticated;
  revoke truncate, references, trigger on public.user_profiles from authenticated;
  revoke insert, update, delete, truncate, references, trigger on public.subscription_tiers from public, anon, authenticated;
  grant select on public.subscription_tiers to anon, authenticated;
  grant select on public.user_profiles, public.usage_logs, public.usage_reservations, public.usage_counters
    to authenticated;
  execute format('grant insert (%s) on public.usage_logs to authenticated', theirs);
  grant select, insert, update, delete on public.user_profiles, public.subscription_tiers, public.usage_logs,
    public.usage_reservations, public.usage_counters to service_role;
end $$;
select private.apply_grants();

-- PostgreSQL lets everybody execute a new function: take that back, then name who may.
revoke execute on function
  private.usage_of(uuid), private.within_limits(uuid, text), private.can_upgrade(text), private.count_usage(uuid, date, integer, integer),
  private.reserve_usage(uuid, text, text, bigint), private.take_event(uuid, jsonb),
  private.ingest_usage_events(jsonb), private.reconcile_usage(integer), private.apply_grants(), private.welcome(),
  private.stamp_log(), private.guard_tier(), private.require_user(), private.most_refunds(), private.today(),
  private.factor(text), private.my_usage(),
  public.reserve_usage(uuid, text, text, bigint), public.ingest_usage_events(jsonb), public.my_usage()
  from public, anon, authenticated;
grant execute on function
  private.within_limits(uuid, text), private.reserve_usage(uuid, text, text, bigint),
  private.ingest_usage_events(jsonb), private.my_usage(),
  public.reserve_usage(uuid, text, text, bigint), public.ingest_usage_events(jsonb), public.my_usage()
  to authenticated;
grant execute on function private.within_limits(uuid, text), private.reconcile_usage(integer) to service_role;

-- Where the project has Realtime, whoever looks at an account hears of a new tier and of jobs on other machines. What is
-- told of a row is told by its policies, as what is read.
do $$
declare name text;
begin
  if exists (select from pg_publication where pubname = 'supabase_realtime' and not puballtables) then
    foreach name in array array['user_profiles', 'usage_counters'] loop
      if not exists (
        select from pg_publication_tables
         where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = name
      ) then
        execute format('alter publication supabase_realtime add table public.%I', name);
      end if;
    end loop;
  end if;
end $$;
