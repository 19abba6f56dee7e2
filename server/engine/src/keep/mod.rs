//! What is kept of a run beside its data: record, seals, and room for clearing.

pub mod ingest_store;
pub(crate) mod metadata;
pub mod record;
pub mod record_bytes;
pub(crate) mod reserve;
pub mod seal;
pub mod staging_owner;
pub mod state_folder;
