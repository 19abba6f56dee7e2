//! The hazards that this kind of system is known for, each with a real engine on real files. The numbers are those of
//! the list of hazards: D deleting, V sending and verifying, S getting stuck or lying.

mod acts;
mod alone;
mod beside_the_bytes;
mod clear;
mod clear_back;
mod clear_called_off;
mod clear_gap;
mod clear_midway;
mod clear_rights;
mod clear_weak;
mod documents;
mod full_disk;
mod full_disk_clear;
mod gate;
mod golden;
mod held_up;
mod nas_ways;
mod new_life;
mod only_copy;
mod open_files;
mod overrides;
mod renamed;
mod rights_here;
mod scheduled;
mod stuck;
#[path = "../support/mod.rs"]
mod support;
mod sync;
mod two_installations;
mod watcher;
