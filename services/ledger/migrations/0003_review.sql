-- What curators said of specimens: every review, also those that a newer one overrules in part or whole.
create table review (
    review_id text collate "C" primary key,
    biological_sample_id text collate "C" not null,
    call_id text,
    verdicts jsonb not null,
    who text not null,
    note text not null,
    reviewed_at moment not null,
    recorded_at timestamptz not null default now()
);
comment on column review.verdicts is 'abnormal, normal or unknown by label; the newest verdict on a label counts';
comment on column review.call_id is 'the call that was looked at; no reference, since reviews and calls come in any order';
create index review_specimen on review (biological_sample_id, reviewed_at);
create index review_recorded on review (recorded_at);
