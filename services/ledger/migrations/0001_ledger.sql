-- The ledger: what was announced, what came of it, every call. docs/ledger.md explains it.

-- Ids and centres compare by bytes (collate "C"): the same on every server, whatever its locale.
--
-- Python's datetime ends at the years 1 and 9999; a moment outside could be written but never be read back.
create domain moment as timestamptz check (value between '0001-01-02 00:00+00' and '9999-12-30 00:00+00');

-- One row a specimen. Every column is a minimum over the specimen's events, so arrival order changes nothing.
create table specimen (
    biological_sample_id text collate "C" primary key,
    centre text collate "C" not null,
    announced_at moment not null,
    complete_since moment
);
comment on column specimen.announced_at is 'earliest announcement; centre is the one of that announcement';
comment on column specimen.complete_since is 'when the image was announced that first gave one DV and one LAT view; null while incomplete';
create index specimen_incomplete on specimen (announced_at) where complete_since is null;

create table image (
    event_id text collate "C" primary key,
    biological_sample_id text collate "C" not null,
    centre text collate "C" not null,
    parameter_stable_id text not null,
    kind text not null check (kind in ('DV', 'LAT', 'other', 'unknown')),
    image_uri text not null,
    sha256 text,
    increment text,
    acquired_at moment,
    metadata jsonb not null,
    produced_at moment,
    announced_at moment not null,
    kafka_partition integer not null,
    kafka_offset bigint not null,
    recorded_at timestamptz not null default now()
);
comment on column image.kind is 'what the declared parameter stands for; unknown: not an X-ray image parameter';
create index image_specimen on image (biological_sample_id);

create table view (
    biological_sample_id text collate "C" not null,
    preprocessing_version text not null check (char_length(preprocessing_version) <= 64),
    view text not null check (view in ('DV', 'LAT')),
    image_sha256 text not null,
    preprocessing_generation integer not null,
    centre text collate "C" not null,
    parameter_stable_id text not null,
    image_event_id text not null,
    image_uri text not null,
    view_key text not null,
    view_sha256 text not null,
    original_key text not null,
    scores jsonb not null,
    flags text[] not null,
    provenance json not null,
    announced_at moment not null,
    produced_at moment not null,
    recorded_at timestamptz not null default now(),
    primary key (biological_sample_id, preprocessing_version, view, image_sha256)
);
comment on column view.provenance is 'json, not jsonb: numbers of any size stay as they came';

create table call (
    call_id text collate "C" primary key,
    sequence bigint not null generated always as identity unique,
    biological_sample_id text collate "C" not null,
    centre text collate "C" not null,
    revision integer not null,
    preprocessing_version text not null,
    preprocessing_generation integer not null,
    activation integer not null,
    labels text[] not null,
    vector smallint[] not null check (cardinality(vector) = cardinality(labels)),
    abnormal boolean not null,
    abnormal_elsewhere boolean not null,
    consensus jsonb not null,
    models jsonb not null,
    uncertain text[] not null,
    disagreement text[] not null,
    tensor_key text not null,
    tensor_sha256 text not null,
    views jsonb not null,
    announced_at moment not null,
    produced_at moment not null,
    recorded_at timestamptz not null default now()
);
comment on column call.sequence is 'grows in the order of commits: a reader that asks for what is newer misses nothing';
create index call_rank on call (biological_sample_id, preprocessing_generation, revision, activation, call_id);
create index call_recorded on call (recorded_at);
create index call_centre on call (centre, sequence);

create table rejection (
    rejection_id text collate "C" primary key check (char_length(rejection_id) <= 256),
    stage text not null check (char_length(stage) <= 64),
    reason text not null check (char_length(reason) <= 64),
    words text not null,
    details json not null,
    biological_sample_id text collate "C" check (char_length(biological_sample_id) <= 512),
    centre text collate "C" check (char_length(centre) <= 64),
    image_event_id text,
    source_topic text not null,
    source_partition integer not null,
    source_offset bigint not null,
    source_timestamp moment not null,
    original_key bytea,
    original bytea,
    headers jsonb not null,
    produced_at moment not null,
    recorded_at timestamptz not null default now()
);
comment on column rejection.details is 'json, not jsonb: numbers of any size stay as they came';
comment on column rejection.headers is 'pairs of name and value, the value in base64';
create index rejection_specimen on rejection (biological_sample_id);
create index rejection_reason on rejection (reason, recorded_at);
create index rejection_recorded on rejection (recorded_at);

-- The current call of a specimen: no other one ranks higher. Two of equal rank (same set of views, same activation,
-- yet another id) are told apart by the id, so that every reader sees the same one.
create view current_call as
select *
from call
where not exists (
    select
    from call as better
    where better.biological_sample_id = call.biological_sample_id
      and (better.preprocessing_generation, better.revision, better.activation, better.call_id)
        > (call.preprocessing_generation, call.revision, call.activation, call.call_id)
);

create view specimen_state as
select
    specimen.biological_sample_id,
    specimen.centre,
    case
        when current_call.call_id is not null then 'called'
        when specimen.complete_since is not null then 'complete'
        else 'incomplete'
    end as state,
    coalesce(current_call.produced_at, specimen.complete_since, specimen.announced_at) as since,
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
cross join lateral (
    select count(*) as announced, count(*) filter (where image.kind = 'other') as skipped
    from image
    where image.biological_sample_id = specimen.biological_sample_id
) as image
left join lateral (
    select count(*) filter (where view.view = 'DV') as dv, count(*) filter (where view.view = 'LAT') as lat
    from view
    where view.biological_sample_id = specimen.biological_sample_id
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
    'views are counted in the newest preprocessing generation; skipped are images of other parameters (skull, paw, hip)';

create view incomplete_specimen as
select *, now() - announced_at as age
from specimen_state
where complete_since is null;

create view centre_count as
select
    centre,
    sum(specimens)::bigint as specimens,
    sum(complete)::bigint as complete,
    sum(called)::bigint as called,
    sum(abnormal)::bigint as abnormal,
    sum(rejected)::bigint as rejected
from (
    select centre, count(*) as specimens, count(complete_since) as complete, 0 as called, 0 as abnormal, 0 as rejected
    from specimen group by centre
    union all
    select centre, 0, 0, count(*), count(*) filter (where abnormal), 0 from current_call group by centre
    union all
    select centre, 0, 0, 0, 0, count(*) from rejection group by centre
) as part
group by centre;
comment on view centre_count is 'a row without a centre counts the rejections of records whose centre could not be read';
