-- The connector upserts every call by its id; the view applies the rule of the current call. A row with a status has no
-- vector: with `withdrawn` the specimen has lost its call, with `abstained` the models did not call it.
create table if not exists phenotype_call (
    call_id text primary key,
    biological_sample_id text not null,
    centre text not null,
    preprocessing_generation integer not null,
    revision integer not null,
    activation integer not null,
    status text,
    reason text,
    labels text[],
    vector smallint[],
    abnormal boolean,
    abnormal_elsewhere boolean,
    consensus_level1 double precision,
    uncertain text[],
    produced_at text not null
);
create index if not exists phenotype_call_rank
    on phenotype_call (biological_sample_id, preprocessing_generation, revision, activation, call_id collate "C");

create or replace view current_phenotype_call as
select *
from (
    select distinct on (biological_sample_id) *, produced_at::timestamptz as produced
    from phenotype_call
    order by biological_sample_id, preprocessing_generation desc, revision desc, activation desc, call_id collate "C" desc
) as newest
where status is null;
