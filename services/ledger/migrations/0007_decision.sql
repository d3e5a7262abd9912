-- What the announcements state about the animal, specimens that the models did not call, and the outputs of the models
-- from which references of controls are built.

alter table image add column animal jsonb;
alter table view add column animal jsonb;
alter table call add column animal jsonb;
alter table call add column set_card text;
alter table call add column reference jsonb;
alter table call add column unfamiliarity double precision;
comment on column call.animal is 'a field on which the images disagree is absent, and conflicts names it';
comment on column call.reference is 'the reference of controls that was active, and the group of controls that was used';
alter table shadow_call add column reasons text[] not null default '{}';
comment on column shadow_call.reasons is 'why the candidate would abstain';

create table call_abstention (
    call_id text collate "C" primary key,
    biological_sample_id text collate "C" not null,
    centre text collate "C" not null,
    revision integer not null,
    preprocessing_version text not null,
    preprocessing_generation integer not null,
    activation integer not null,
    reasons text[] not null,
    unfamiliarity double precision,
    consensus jsonb not null,
    models jsonb not null,
    set_card text,
    reference jsonb,
    tensor_key text not null,
    tensor_sha256 text not null,
    views jsonb not null,
    animal jsonb,
    announced_at moment not null,
    produced_at moment not null,
    recorded_at timestamptz not null default now()
);
comment on table call_abstention is
    'revisions that were not called: each ranks like a call, and supersedes every call of a lower rank';
create index call_abstention_rank
    on call_abstention (biological_sample_id, preprocessing_generation, revision, activation, call_id);
create index call_abstention_centre on call_abstention (centre, recorded_at);

create index call_control on call (centre) where animal ->> 'sample_group' = 'control';
create index call_abstention_control on call_abstention (centre) where animal ->> 'sample_group' = 'control';

create table call_output (
    call_id text collate "C" not null,
    model text collate "C" not null,
    version integer not null,
    scores real[],
    features real[],
    unfamiliar real,
    recorded_at timestamptz not null default now(),
    primary key (call_id, model)
);
comment on table call_output is 'what each model gave for a call or an abstention: logits of the 14 labels, features';

-- A centre's first specimens, by which it is seen whether its pictures are what the models know.
create index specimen_centre on specimen (centre, complete_since) where complete_since is not null;

-- A specimen has no current call while a withdrawal or an abstention ranks higher than all its calls.
create or replace view current_call as
select *
from call
where not exists (
    select
    from call as later
    where later.biological_sample_id = call.biological_sample_id
      and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
        > (call.preprocessing_generation, call.revision, call.activation, call.call_id)
)
and not exists (
    select
    from call_withdrawal as later
    where later.biological_sample_id = call.biological_sample_id
      and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
        > (call.preprocessing_generation, call.revision, call.activation, call.call_id)
)
and not exists (
    select
    from call_abstention as later
    where later.biological_sample_id = call.biological_sample_id
      and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
        > (call.preprocessing_generation, call.revision, call.activation, call.call_id)
);

-- Why a specimen has no call: the newest withdrawal or abstention, unless something ranks higher.
create or replace view current_withdrawal as
select *
from call_withdrawal
where not exists (
    select
    from call as later
    where later.biological_sample_id = call_withdrawal.biological_sample_id
      and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
        > (call_withdrawal.preprocessing_generation, call_withdrawal.revision, call_withdrawal.activation, call_withdrawal.call_id)
)
and not exists (
    select
    from call_withdrawal as later
    where later.biological_sample_id = call_withdrawal.biological_sample_id
      and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
        > (call_withdrawal.preprocessing_generation, call_withdrawal.revision, call_withdrawal.activation, call_withdrawal.call_id)
)
and not exists (
    select
    from call_abstention as later
    where later.biological_sample_id = call_withdrawal.biological_sample_id
      and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
        > (call_withdrawal.preprocessing_generation, call_withdrawal.revision, call_withdrawal.activation, call_withdrawal.call_id)
);

create view current_abstention as
select *
from call_abstention
where not exists (
    select
    from call as later
    where later.biological_sample_id = call_abstention.biological_sample_id
      and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
        > (call_abstention.preprocessing_generation, call_abstention.revision, call_abstention.activation, call_abstention.call_id)
)
and not exists (
    select
    from call_withdrawal as later
    where later.biological_sample_id = call_abstention.biological_sample_id
      and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
        > (call_abstention.preprocessing_generation, call_abstention.revision, call_abstention.activation, call_abstention.call_id)
)
and not exists (
    select
    from call_abstention as later
    where later.biological_sample_id = call_abstention.biological_sample_id
      and (later.preprocessing_generation, later.revision, later.activation, later.call_id)
        > (call_abstention.preprocessing_generation, call_abstention.revision, call_abstention.activation, call_abstention.call_id)
);

create or replace view specimen_state as
select
    specimen.biological_sample_id,
    specimen.centre,
    case
        when current_call.call_id is not null then 'called'
        when current_withdrawal.call_id is not null then 'withdrawn'
        when current_abstention.call_id is not null then 'abstained'
        when specimen.complete_since is not null then 'complete'
        else 'incomplete'
    end as state,
    coalesce(
        current_call.produced_at,
        current_withdrawal.produced_at,
        current_abstention.produced_at,
        specimen.complete_since,
        specimen.announced_at
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
left join current_abstention using (biological_sample_id)
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

create or replace view centre_count as
select
    centre,
    sum(specimens)::bigint as specimens,
    sum(complete)::bigint as complete,
    sum(called)::bigint as called,
    sum(abnormal)::bigint as abnormal,
    sum(rejected)::bigint as rejected,
    sum(abstained)::bigint as abstained
from (
    select
        centre, count(*) as specimens, count(complete_since) as complete, 0 as called, 0 as abnormal, 0 as rejected,
        0 as abstained
    from specimen group by centre
    union all
    select centre, 0, 0, count(*), count(*) filter (where abnormal), 0, 0 from current_call group by centre
    union all
    select centre, 0, 0, 0, 0, count(*), 0 from rejection group by centre
    union all
    select centre, 0, 0, 0, 0, 0, count(*) from current_abstention group by centre
) as part
group by centre;

create or replace view current_shadow_call as
select distinct on (versions, biological_sample_id) *
from shadow_call
order by versions, biological_sample_id, preprocessing_generation desc, revision desc, activation desc, shadow_id desc;
