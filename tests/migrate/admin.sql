-- Of the tests alone: what admin_emulator.py needs of the database to stand in for the admin API, which @supabase/lite
-- has not. It writes the server's own tables of accounts, by the rules of supabase/auth `internal/api/admin.go`.
create schema if not exists emulator;

create or replace function emulator.account(p_id uuid) returns jsonb
language sql stable as $$
  select jsonb_build_object(
    'id', u.id, 'aud', u.aud, 'role', u.role, 'email', u.email, 'phone', '',
    'app_metadata', u.raw_app_meta_data, 'user_metadata', u.raw_user_meta_data, 'identities', '[]'::jsonb,
    'created_at', to_char(u.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'last_sign_in_at', to_char(u.last_sign_in_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
  from auth.users u where u.id = p_id
$$;

create or replace function emulator.create_account(p jsonb) returns jsonb
language plpgsql as $$
declare
  v_id uuid := coalesce((p ->> 'id')::uuid, gen_random_uuid());
  v_email text := lower(p ->> 'email');
begin
  if exists (select from auth.users u where u.email = v_email) then
    return '{"error": "email_exists"}';
  end if;
  begin
    insert into auth.users (id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data,
                            raw_user_meta_data, created_at, updated_at)
      values (v_id, 'authenticated', 'authenticated', v_email, p ->> 'password_hash',
              case when (p ->> 'email_confirm')::boolean then now() end,
              '{"provider": "email", "providers": ["email"]}'::jsonb || coalesce(p -> 'app_metadata', '{}'),
              coalesce(p -> 'user_metadata', '{}'), now(), now());
    insert into auth.identities (id, provider, provider_id, user_id, identity_data, created_at, updated_at)
      values (gen_random_uuid(), 'email', v_id::text, v_id,
              jsonb_build_object('sub', v_id, 'email', v_email, 'email_verified', false), now(), now());
  exception when others then -- whatever the database says, Auth answers one and the same 500
    return jsonb_build_object('error', 'unexpected_failure', 'why', sqlerrm);
  end;
  return emulator.account(v_id);
end $$;

-- As Auth lists them: newest first, by offset, with nothing that decides among equal dates.
create or replace function emulator.accounts(p_page integer, p_size integer) returns jsonb
language sql stable as $$
  select jsonb_build_object(
    'total', (select count(*) from auth.users),
    'users', coalesce((
      select jsonb_agg(emulator.account(one.id) order by one.created_at desc)
        from (select u.id, u.created_at from auth.users u
               order by u.created_at desc limit p_size offset (p_page - 1) * p_size) one), '[]'))
$$;

create or replace function emulator.remove_account(p_id uuid) returns boolean
language plpgsql as $$
begin
  delete from auth.refresh_tokens where user_id::text = p_id::text;
  delete from auth.sessions where user_id::text = p_id::text;
  delete from auth.identities where user_id = p_id;
  delete from auth.users where id = p_id;
  return found;
end $$;
