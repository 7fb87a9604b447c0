-- Accounts and usage: what a fresh project gets whole, and an existing one gets beside what it has.
-- Every statement may be run again. Nothing is dropped, and no column, default or row of the owner's is changed.

create schema if not exists private; -- never to be exposed by the Data API
revoke all on schema private from public;

do $$
declare name text;
begin -- a hosted project has them, a bare PostgreSQL has not
  foreach name in array array['anon', 'authenticated', 'service_role'] loop
    if not exists (select from pg_roles where rolname = name) then
      execute format('create role %I nologin %s', name, case name when 'service_role' then 'bypassrls' end);
    end if;
  end loop;
end $$;

-- What the server decides about a user. Only the server changes a tier: see the guard among the functions.
create table if not exists public.user_profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  subscription_tier text not null default 'free',
  created_at timestamptz not null default now()
);

-- What a tier may. `daily_limit` and `monthly_limit` are jobs by the days and months of UTC; null is no limit.
do $$
begin
  if to_regclass('public.subscription_tiers') is null then
    create table public.subscription_tiers (
      tier text primary key,
      daily_limit integer check (daily_limit >= 0),
      monthly_limit integer check (monthly_limit >= 0),
      max_scale_factor text not null default '8x' check (max_scale_factor in ('2x', '4x', '8x'))
    );
    insert into public.subscription_tiers (tier, daily_limit, monthly_limit, max_scale_factor) values
      ('free', 10, 100, '2x'),
      ('pro', 500, 5000, '4x'),
      ('team', null, null, '8x');
  end if;
end $$;
alter table public.subscription_tiers
  add column if not exists tier text,
  add column if not exists daily_limit integer,
  add column if not exists monthly_limit integer,
  add column if not exists max_scale_factor text;

-- One row for each job that was charged, from its reservation on: what an owner's own limit function counts.
create table if not exists public.usage_logs (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  processing_type text not null,
  scale_factor text not null,
  image_pixels bigint,
  processing_time_ms bigint,
  created_at timestamptz not null default now()
);
alter table public.usage_logs
  add column if not exists event_id uuid, -- made once, by the daemon; null for rows from elsewhere
  add column if not exists event_status text not null default 'done'
    check (event_status in ('reserved', 'done', 'failed', 'cancelled')),
  add column if not exists event_at timestamptz, -- by the daemon's clock: to be shown, never to be counted by
  add column if not exists device_id uuid,
  add column if not exists device_seq bigint; -- the order on one device
-- Both columns: with the event alone, one account's id would swallow another account's event.
create unique index if not exists usage_logs_user_event on public.usage_logs (user_id, event_id);
create index if not exists usage_logs_user_created on public.usage_logs (user_id, created_at desc);

-- A charge before the work, by a key that the daemon has on disk before it asks.
create table if not exists public.usage_reservations (
  user_id uuid not null references auth.users (id) on delete cascade,
  reservation_id uuid not null, -- the id of the event that will settle it
  processing_type text not null,
  scale_factor text not null,
  state text not null default 'reserved' check (state in ('reserved', 'committed', 'refunded')),
  charged_on date not null, -- in UTC, by the server's clock
  settled_at timestamptz,
  primary key (user_id, reservation_id)
);
create index if not exists usage_reservations_open on public.usage_reservations (charged_on) where state = 'reserved';

-- Jobs charged, by day and by month: a limit is asked of one row, however many jobs there were.
create table if not exists public.usage_counters (
  user_id uuid not null references auth.users (id) on delete cascade,
  period text not null check (period in ('day', 'month')),
  starts date not null,
  used integer not null default 0 check (used >= 0),
  refunded integer not null default 0 check (refunded >= 0),
  primary key (user_id, period, starts)
);
