-- Pictures that were taken out of their specimen, and specimens that have lost their call.

create table withdrawal (
    withdrawal_id text collate "C" primary key,
    biological_sample_id text collate "C" not null,
    centre text collate "C" not null,
    image_sha256 text not null,
    view text check (view in ('DV', 'LAT')),
    reason text not null,
    who text not null,
    withdrawn_at moment not null,
    recorded_at timestamptz not null default now()
);
comment on table withdrawal is 'what was withdrawn, by whom and why; a null view stands for both';
create index withdrawal_specimen on withdrawal (biological_sample_id);

create table call_withdrawal (
    call_id text collate "C" primary key,
    biological_sample_id text collate "C" not null,
    centre text collate "C" not null,
    revision integer not null,
    preprocessing_version text not null,
    preprocessing_generation integer not null,
    activation integer not null,
    reason text not null,
    announced_at moment not null,
    produced_at moment not null,
    recorded_at timestamptz not null default now()
);
comment on table call_withdrawal is 'from this revision on the specimen has no call; it supersedes every call of a lower rank';
create index call_withdrawal_rank
    on call_withdrawal (biological_sample_id, preprocessing_generation, revision, activation, call_id);

-- A specimen has no current call while a withdrawal ranks higher than all its calls.
create or replace view current_call as
select *
from call
where not exists (
    select
    from call as better
    where better.biological_sample_id = call.biological_sample_id
      and (better.preprocessing_generation, better.revision, better.activation, better.call_id)
        > (call.preprocessing_generation, call.revision, call.activation, call.call_id)
)
and not exists (
    select
    from call_withdrawal as later
    where later.biological_sample_id = call.biological_sample_id
      and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
        > (call.preprocessing_generation, call.revision, call.activation, call.call_id)
);

-- Why a specimen has no call: the newest withdrawal, unless a call ranks higher.
create view current_withdrawal as
select *
from call_withdrawal
where not exists (
    select
    from call_withdrawal as later
    where later.biological_sample_id = call_withdrawal.biological_sample_id
      and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
        > (
            call_withdrawal.preprocessing_generation, call_withdrawal.revision, call_withdrawal.activation,
            call_withdrawal.call_id
        )
)
and not exists (
    select
    from call as later
    where later.biological_sample_id = call_withdrawal.biological_sample_id
      and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
        > (
            call_withdrawal.preprocessing_generation, call_withdrawal.revision, call_withdrawal.activation,
            call_withdrawal.call_id
        )
);

create or replace view specimen_state as
select
    specimen.biological_sample_id,
    specimen.centre,
    case
        when current_call.call_id is not null then 'called'
        when current_withdrawal.call_id is not null then 'withdrawn'
        when specimen.complete_since is not null then 'complete'
        else 'incomplete'
    end as state,
    coalesce(
        current_call.produced_at, current_withdrawal.produced_at, specimen.complete_since, specimen.announced_at
    ) as since,
    specimen.announced_at,
    specimen.complete_since,
    image.announced as images,
    image.skipped,
    coalesce(view.dv, 0) as dv_views,
    coalesce(view.lat, 0) as lat_views,
    rejection.rejected,
    current_call.call_id
from specimen
left join current_call using (biological_sample_id)
left join current_withdrawal using (biological_sample_id)
cross join lateral (
    select count(*) as announced, count(*) filter (where image.kind = 'other') as skipped
    from image
    where image.biological_sample_id = specimen.biological_sample_id
) as image
left join lateral (
    select count(*) filter (where view.view = 'DV') as dv, count(*) filter (where view.view = 'LAT') as lat
    from view
    where view.biological_sample_id = specimen.biological_sample_id
      and not exists (
        select
        from withdrawal
        where withdrawal.biological_sample_id = view.biological_sample_id
          and withdrawal.centre = view.centre
          and withdrawal.image_sha256 = view.image_sha256
          and coalesce(withdrawal.view, view.view) = view.view
    )
    group by view.preprocessing_generation
    order by view.preprocessing_generation desc
    limit 1
) as view on true
cross join lateral (
    select count(*) as rejected
    from rejection
    where rejection.biological_sample_id = specimen.biological_sample_id
) as rejection;
comment on view specimen_state is
    'views that were not withdrawn are counted in the newest preprocessing generation; skipped are images of other '
    'parameters (skull, paw, hip)';
