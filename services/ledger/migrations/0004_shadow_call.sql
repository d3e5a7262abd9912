-- What candidate versions in shadow would have called, each beside the call that was made. Deleted or lost rows are no
-- loss of calls: a candidate is asked about a share of the specimens, and answers when it can.
create table shadow_call (
    shadow_id text collate "C" primary key,
    call_id text collate "C" not null,
    biological_sample_id text collate "C" not null,
    centre text collate "C" not null,
    revision integer not null,
    preprocessing_version text not null,
    preprocessing_generation integer not null,
    activation integer not null,
    shadow integer not null,
    versions jsonb not null,
    labels text[] not null,
    vector smallint[] not null check (cardinality(vector) = cardinality(labels)),
    abnormal boolean not null,
    abnormal_elsewhere boolean not null,
    consensus jsonb not null,
    models jsonb not null,
    uncertain text[] not null,
    differs text[] not null,
    seconds double precision not null,
    tensor_key text not null,
    tensor_sha256 text not null,
    produced_at moment not null,
    recorded_at timestamptz not null default now()
);
comment on column shadow_call.versions is 'the candidate: a version of each model';
comment on column shadow_call.differs is 'labels, Abnormal among them, that the candidate decides otherwise than the call';
create index shadow_call_rank
    on shadow_call (versions, biological_sample_id, preprocessing_generation, revision, activation, shadow_id);

-- Of each candidate and specimen the comparison with the call of the highest rank: what is counted, so that a specimen
-- of many revisions weighs no more than another.
create view current_shadow_call as
select distinct on (versions, biological_sample_id) *
from shadow_call
order by versions, biological_sample_id, preprocessing_generation desc, revision desc, activation desc, shadow_id desc;
