-- What the daemon tells after a job: the end of a reservation, or a job that was done while nobody could be asked.

-- One event, and what became of it. Told twice, it counts once.
create or replace function private.take_event(me uuid, e jsonb) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  event constant uuid := (e ->> 'event_id')::uuid;
  outcome constant text := e ->> 'status';
  held public.usage_reservations;
  added integer;
begin
  if event is null or outcome is null or outcome not in ('done', 'failed', 'cancelled') then
    raise exception 'an event has an id and a status of done, failed or cancelled' using errcode = '22023';
  end if;
  select r.* into held from public.usage_reservations r where r.user_id = me and r.reservation_id = event;
  if not found then
    if outcome <> 'done' then
      return 'not_charged';
    end if;
    insert into public.usage_logs (user_id, event_id, processing_type, scale_factor, image_pixels, processing_time_ms,
                                   event_status, event_at, device_id, device_seq)
      values (me, event, e ->> 'processing_type', e ->> 'scale_factor', (e ->> 'image_pixels')::bigint,
              coalesce((e ->> 'processing_time_ms')::bigint, 0), outcome, (e ->> 'event_at')::timestamptz,
              (e ->> 'device_id')::uuid, (e ->> 'device_seq')::bigint)
      on conflict (user_id, event_id) do nothing;
    get diagnostics added = row_count;
    if added = 1 then
      perform private.count_usage(me, private.today(), 1, 0);
    end if;
    return case added when 1 then 'inserted' else 'duplicate' end;
  end if;
  if held.state <> 'reserved' then
    return 'duplicate';
  end if;
  if outcome <> 'done' and coalesce((e ->> 'refund')::boolean, false) and coalesce((
      select c.refunded from public.usage_counters c
       where c.user_id = me and c.period = 'day' and c.starts = private.today()), 0) < private.most_refunds() then
    update public.usage_reservations r set state = 'refunded', settled_at = now()
     where r.user_id = me and r.reservation_id = event;
    delete from public.usage_logs l where l.user_id = me and l.event_id = event;
    perform private.count_usage(me, held.charged_on, -1, 0); -- in the period that was charged
    perform private.count_usage(me, private.today(), 0, 1);
    return 'refunded';
  end if;
  update public.usage_reservations r set state = 'committed', settled_at = now()
   where r.user_id = me and r.reservation_id = event;
  update public.usage_logs l
     set event_status = outcome,
         image_pixels = coalesce((e ->> 'image_pixels')::bigint, l.image_pixels),
         processing_time_ms = coalesce((e ->> 'processing_time_ms')::bigint, 0),
         event_at = (e ->> 'event_at')::timestamptz,
         device_id = (e ->> 'device_id')::uuid,
         device_seq = (e ->> 'device_seq')::bigint
   where l.user_id = me and l.event_id = event;
  return 'inserted';
end $$;

-- A batch, with a verdict for each event: one that cannot be taken holds back none of the others.
create or replace function private.ingest_usage_events(p_events jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  me constant uuid := private.require_user();
  e jsonb;
  verdicts jsonb := '[]';
begin
  if jsonb_typeof(p_events) = 'string' then -- a server of ours for tests sends it so
    p_events := (p_events #>> '{}')::jsonb;
  end if;
  if jsonb_typeof(p_events) is distinct from 'array' or jsonb_array_length(p_events) > 500 then
    raise exception 'events are an array of at most 500' using errcode = '22023';
  end if;
  perform from public.user_profiles p where p.id = me for no key update;
  for e in select value from jsonb_array_elements(p_events) loop
    begin
      verdicts := verdicts || jsonb_build_object('event_id', e ->> 'event_id', 'result', private.take_event(me, e));
    exception when data_exception or integrity_constraint_violation or raise_exception then -- an owner's trigger, say
      verdicts := verdicts || jsonb_build_object(
        'event_id', e ->> 'event_id', 'result', 'rejected', 'code', sqlstate, 'message', sqlerrm);
    end;
  end loop;
  return verdicts;
end $$;

-- For the operator, every night say: the counters of the last days, and of their months, from the logs again.
create or replace function private.reconcile_usage(days integer default 62) returns integer
language sql volatile security definer set search_path = '' as $$
  with since as (
    select date_trunc('month', now() at time zone 'utc' - make_interval(days => days)) as begin
  ), counted as (
    select l.user_id, period, date_trunc(period, l.created_at at time zone 'utc')::date as starts, count(*)::integer as used
      from public.usage_logs l, unnest(array['day', 'month']) as period, since
     where l.event_id is not null and l.created_at >= since.begin at time zone 'utc'
       and (l.device_id is null or l.event_at is not null) -- what was moved here from the old app was charged there
     group by 1, 2, 3
  ), mended as (
    insert into public.usage_counters as c (user_id, period, starts, used)
    select user_id, period, starts, used from counted
    on conflict (user_id, period, starts) do update set used = excluded.used where c.used <> excluded.used
    returning 1
  ), emptied as (
    update public.usage_counters c set used = 0 from since
     where c.used > 0 and c.starts >= since.begin::date
       and not exists (
         select from counted k where k.user_id = c.user_id and k.period = c.period and k.starts = c.starts)
    returning 1
  )
  select ((select count(*) from mended) + (select count(*) from emptied))::integer
$$;

-- What the Data API sees: no logic, and no more rights than the caller has.
create or replace function public.reserve_usage(
  p_reservation_id uuid, p_processing_type text, p_scale_factor text, p_image_pixels bigint default null
) returns jsonb language sql volatile security invoker set search_path = '' as
$$ select private.reserve_usage(p_reservation_id, p_processing_type, p_scale_factor, p_image_pixels) $$;

create or replace function public.ingest_usage_events(p_events jsonb)
returns jsonb language sql volatile security invoker set search_path = '' as
$$ select private.ingest_usage_events(p_events) $$;

create or replace function private.my_usage()
returns jsonb language sql stable security definer set search_path = '' as
$$ select private.usage_of(private.require_user()) $$;

create or replace function public.my_usage()
returns jsonb language sql stable security invoker set search_path = '' as
$$ select private.my_usage() $$;
