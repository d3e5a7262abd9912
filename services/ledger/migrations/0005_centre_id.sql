-- The centre's own id of an animal, by which `xray calls`, `trace` and `review` find it: `specimen` from a submission to
-- the DCC, `external_sample_id` from IMPC's Solr.
create index image_centre_id on image (
    (coalesce(metadata ->> 'specimen', metadata ->> 'external_sample_id') collate "C")
);
create view centre_id as
select
    biological_sample_id,
    centre,
    coalesce(metadata ->> 'specimen', metadata ->> 'external_sample_id') collate "C" as centre_id
from image
where coalesce(metadata ->> 'specimen', metadata ->> 'external_sample_id') is not null;
comment on view centre_id is 'the centres'' own ids of animals; one row per image that has one';
