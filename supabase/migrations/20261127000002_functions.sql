-- What decides about limits, in a schema that the Data API does not have; public has thin callers of it.
-- Definer functions name everything in full: their search path is empty.

create or replace function private.factor(scale text) returns integer
language sql immutable set search_path = '' as
$$ select substring(scale from '^([1-9][0-9]?)x$')::integer $$;

create or replace function private.today() returns date
language sql stable set search_path = '' as
$$ select (now() at time zone 'utc')::date $$;

create or replace function private.require_user() returns uuid
language plpgsql stable set search_path = '' as $$
begin
  if auth.uid() is null then
    raise exception 'not signed in' using errcode = '42501';
  end if;
  return auth.uid();
end $$;

-- Jobs that count, now: of this day and of this month, with what the tier allows.
create or replace function private.usage_of(user_uuid uuid) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'current_tier', p.subscription_tier,
    'day', jsonb_build_object('used', coalesce(d.used, 0), 'limit', t.daily_limit, 'ends', private.today() + 1),
    'month', jsonb_build_object(
      'used', coalesce(m.used, 0),
      'limit', t.monthly_limit,
      'ends', (date_trunc('month', private.today()) + interval '1 month')::date
    )
  )
  from public.user_profiles p
  left join public.subscription_tiers t on t.tier = p.subscription_tier
  left join public.usage_counters d on d.user_id = p.id and d.period = 'day' and d.starts = private.today()
  left join public.usage_counters m
    on m.user_id = p.id and m.period = 'month' and m.starts = date_trunc('month', private.today())::date
  where p.id = user_uuid
$$;

-- Whether one more job would be within the tier's limits. Advice: between a question and an act there is a race.
create or replace function private.within_limits(user_uuid uuid, scale text) returns boolean
language plpgsql stable security definer set search_path = '' as $$
declare
  usage jsonb := private.usage_of(user_uuid);
  highest text;
begin
  if user_uuid is distinct from auth.uid() and coalesce(auth.role(), '') <> 'service_role' then
    return false; -- nobody asks about somebody else
  end if;
  select t.max_scale_factor into highest
    from public.subscription_tiers t
   where t.tier = usage ->> 'current_tier';
  return found
    and coalesce(private.factor(scale) <= private.factor(highest), highest is null)
    and coalesce((usage #>> '{day,used}')::integer < (usage #>> '{day,limit}')::integer, true)
    and coalesce((usage #>> '{month,used}')::integer < (usage #>> '{month,limit}')::integer, true);
end $$;

-- The agreed function: where the owner has one, that one decides, and it is left as it is.
do $$
declare
  signature constant text := 'public.enforce_subscription_limits(uuid, text, text)';
  mark constant text := 'Pro Engine: by subscription_tiers and usage_counters';
begin
  if to_regprocedure(signature) is null or obj_description(to_regprocedure(signature), 'pg_proc') = mark then
    execute $function$
      create or replace function public.enforce_subscription_limits(
        user_uuid uuid, processing_type_param text, scale_factor_param text
      ) returns boolean language sql stable security invoker set search_path = '' as
      $body$ select private.within_limits(user_uuid, scale_factor_param) $body$
    $function$;
    execute format('comment on function %s is %L', signature, mark);
    execute format('revoke execute on function %s from public, anon', signature);
    execute format('grant execute on function %s to authenticated, service_role', signature);
  end if;
end $$;

-- Whether some other tier allows more of anything; of tiers that say nothing the owner's own function may know more.
create or replace function private.can_upgrade(current_tier text) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select from public.subscription_tiers other
     where other.tier is distinct from current_tier and not exists (
       select from public.subscription_tiers mine
        where mine.tier = current_tier
          and coalesce(mine.daily_limit >= other.daily_limit, mine.daily_limit is null)
          and coalesce(mine.monthly_limit >= other.monthly_limit, mine.monthly_limit is null)
          and coalesce(private.factor(mine.max_scale_factor) >= private.factor(other.max_scale_factor),
                       mine.max_scale_factor is null)
     )
  )
$$;

create or replace function private.count_usage(user_uuid uuid, on_day date, jobs integer, refunds integer) returns void
language sql volatile security definer set search_path = '' as $$
  insert into public.usage_counters as c (user_id, period, starts, used, refunded)
  values
    (user_uuid, 'day', on_day, greatest(jobs, 0), refunds),
    (user_uuid, 'month', date_trunc('month', on_day)::date, greatest(jobs, 0), refunds)
  on conflict (user_id, period, starts) do update
    set used = greatest(c.used + jobs, 0), refunded = c.refunded + refunds
$$;

-- Charges one job before it is begun. The lock on the profile's row makes all decisions about one user serial, and the
-- log's row is there before the next one is made: so the limit holds, whoever counts, however many ask at once.
create or replace function private.reserve_usage(
  p_reservation_id uuid, p_processing_type text, p_scale_factor text, p_image_pixels bigint
) returns jsonb language plpgsql volatile security definer set search_path = '' as $$
declare
  me constant uuid := private.require_user();
  tier text;
  known text;
begin
  if p_reservation_id is null or p_processing_type is null or private.factor(p_scale_factor) is null then
    raise exception 'a reservation has an id, a type and a scale like 2x' using errcode = '22023';
  end if;
  begin
    insert into public.user_profiles (id) values (me) on conflict do nothing;
  exception when integrity_constraint_violation then
    null; -- the owner's profiles want more than we know: whoever has none is refused
  end;
  select p.subscription_tier into tier from public.user_profiles p where p.id = me for no key update;
  if not found then
    return jsonb_build_object('allowed', false, 'reason', 'no_profile', 'current_tier', null);
  end if;
  select r.state into known
    from public.usage_reservations r
   where r.user_id = me and r.reservation_id = p_reservation_id;
  if found then
    return jsonb_build_object('allowed', known <> 'refunded', 'state', known, 'replayed', true, 'current_tier', tier);
  end if;
  if public.enforce_subscription_limits(me, p_processing_type, p_scale_factor) is not true then
    return jsonb_build_object('allowed', false, 'reason', 'limit', 'current_tier', tier,
                              'can_upgrade', private.can_upgrade(tier), 'usage', private.usage_of(me));
  end if;
  insert into public.usage_reservations (user_id, reservation_id, processing_type, scale_factor, charged_on)
    values (me, p_reservation_id, p_processing_type, p_scale_factor, private.today());
  insert into public.usage_logs
      (user_id, event_id, processing_type, scale_factor, image_pixels, processing_time_ms, event_status)
    values (me, p_reservation_id, p_processing_type, p_scale_factor, p_image_pixels, 0, 'reserved');
  perform private.count_usage(me, private.today(), 1, 0);
  return jsonb_build_object('allowed', true, 'state', 'reserved', 'current_tier', tier, 'usage', private.usage_of(me));
end $$;

-- How many refunds a user gets in a day: the daemon that asks for them runs on her machine.
create or replace function private.most_refunds() returns integer
language sql immutable set search_path = '' as
$$ select 50 $$;
