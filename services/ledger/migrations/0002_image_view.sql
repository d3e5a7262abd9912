-- Which view every announcement gave. The table `view` holds each picture of a specimen once; the same picture may have
-- been announced under several URIs, and whoever accounts for announcements needs the view of each. For what was recorded
-- earlier the row in `view` serves.
create table image_view (
    image_event_id text collate "C" not null,
    preprocessing_version text not null,
    preprocessing_generation integer not null,
    biological_sample_id text collate "C" not null,
    view text not null,
    image_sha256 text not null,
    recorded_at timestamptz not null default now(),
    primary key (image_event_id, preprocessing_version)
);
create index image_announced on image (announced_at);
create index rejection_image on rejection (image_event_id) where image_event_id is not null;
