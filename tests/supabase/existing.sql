-- A project that was there before: the owner's own tables, types, rows, policies and function.
create table public.subscription_tiers (
  id serial primary key, name varchar(20) not null unique, jobs_a_day integer not null, features text[] not null
);
insert into public.subscription_tiers (name, jobs_a_day, features) values ('basic', 10, '{}'), ('gold', 1000, '{8x}');

create table public.user_profiles (
  id uuid primary key references auth.users (id),
  subscription_tier varchar(20) not null default 'basic' references public.subscription_tiers (name),
  nickname text,
  created_at timestamptz default now()
);
alter table public.user_profiles enable row level security;
create policy "edit yourself" on public.user_profiles for all to authenticated
  using (auth.uid() = id) with check (auth.uid() = id);

create table public.usage_logs (
  id bigserial primary key,
  user_id uuid not null references public.user_profiles (id),
  processing_type varchar(20) not null,
  scale_factor text not null,
  image_pixels integer,
  processing_time_ms integer not null,
  created_at timestamptz not null default now()
);

create function public.enforce_subscription_limits(
  user_uuid uuid, processing_type_param text, scale_factor_param text
) returns boolean language sql stable as $$
  select count(l.id) < max(t.jobs_a_day) and (scale_factor_param <> '8x' or '8x' = any (max(t.features)))
    from public.user_profiles p
    join public.subscription_tiers t on t.name = p.subscription_tier
    left join public.usage_logs l on l.user_id = p.id and l.created_at >= date_trunc('day', now())
   where p.id = user_uuid
$$;

insert into auth.users (id, email) values ('00000000-0000-4000-8000-0000000000aa', 'old@example.org');
insert into public.user_profiles (id, subscription_tier, nickname)
  values ('00000000-0000-4000-8000-0000000000aa', 'gold', 'old hand');
insert into public.usage_logs (user_id, processing_type, scale_factor, image_pixels, processing_time_ms, created_at)
  values ('00000000-0000-4000-8000-0000000000aa', 'highres', '4x', 1000000, 900, '2025-01-02 03:04:05+00');
