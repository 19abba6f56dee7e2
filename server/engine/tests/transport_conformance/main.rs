//! The conformance suite of all transports, run over each; another one adds a [`bench::Make`] of its own.

#![allow(
    clippy::disallowed_methods,
    reason = "a tamperer deletes and mounts; mount tests start themselves again in a namespace"
)]

mod bench;
mod damage;
mod faithful;
mod gap;
mod lives;
mod mount_only;
mod rclone;
mod rclone_disks;
mod rclone_running;
mod remotes;
mod resume;
mod rsync_ssh;
mod rsync_ssh_stream;
#[path = "../real_servers/servers.rs"]
mod servers;
mod ssh_servers;
mod ssh_ways;
mod ssh_words;
#[path = "../real_servers/sshd.rs"]
mod sshd;
mod whose;
mod write_once;

use bench::{Destination, Make};
use engine::transport::Transport;
use engine::transport::mount::MountTransport;
use std::path::{Path, PathBuf};
use std::sync::Arc;

struct Mount {
    transport: Arc<dyn Transport>,
    root: PathBuf,
}

impl Destination for Mount {
    fn shared(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    fn tells_changes(&self) -> bool {
        true
    }

    fn root(&self) -> &Path {
        &self.root
    }
}

const MOUNT: Make = |root, staging| {
    std::fs::create_dir_all(root).unwrap();
    Box::new(Mount {
        transport: Arc::new(MountTransport::new(root.to_owned(), staging.to_owned())),
        root: root.to_owned(),
    })
};

/// One test for every law of the suite.
macro_rules! conformance {
    ($transport:ident, $make:expr, $($law:path as $name:ident),+ $(,)?) => {
        mod $transport {
            $(
                #[tokio::test]
                async fn $name() {
                    $law($make).await;
                }
            )+
        }
    };
}

macro_rules! all_laws {
    ($transport:ident, $make:expr) => {
        conformance!(
            $transport,
            $make,
            crate::faithful::odd_names as v9_odd_names,
            crate::faithful::mirrored_with_times_and_empty_folders as v2_mirrored_with_times_and_empty_folders,
            crate::faithful::two_projects_with_one_leaf as v1_two_projects_with_one_leaf,
            crate::faithful::only_sealed_files as only_sealed_files,
            crate::faithful::record as d10_record_and_lives,
            crate::faithful::empty_run as v6_empty_run,
            crate::damage::every_damage_is_found as v3_v4_v7_every_damage_is_found,
            crate::damage::again_repairs_and_keeps_the_old as again_repairs_and_keeps_the_old,
            crate::damage::superseded as d22_superseded,
            crate::damage::gives_way as d22_gives_way,
            crate::gap::damage_is_seen as d16_damage_is_seen,
            crate::gap::another_destination as d16_another_destination_proves_nothing,
            crate::damage::foreign_file_is_a_conflict as v1_foreign_file_is_a_conflict,
            crate::damage::same_size_same_mtime as v3_same_size_same_mtime,
            crate::lives::equal_is_equal as v19_equal_is_equal,
            crate::lives::nothing_earlier_is_there as d10_nothing_earlier_is_there,
            crate::lives::what_differs_is_named as v19_what_differs_is_named,
            crate::write_once::records_go_beside as d20_records_go_beside,
            crate::resume::finished_files_are_not_sent_again as s2_finished_files_are_not_sent_again,
            crate::resume::cancelled_leaves_nothing_half as v8_cancelled_leaves_nothing_half,
            crate::resume::known_digests_are_used as s2_known_digests_are_used,
            crate::resume::changed_while_sending as d14_changed_while_sending,
            crate::resume::changed_and_vanished_files as changed_and_vanished_files,
            crate::resume::missing_marker as v10_missing_marker,
            crate::resume::marker_is_not_replaced_unasked as v13_marker_is_not_replaced_unasked,
        );
    };
}

// What a server makes of modes and holes is its own over rclone.
conformance!(
    mount_keeps,
    crate::MOUNT,
    crate::faithful::modes_and_holes as v20_modes_and_holes,
    crate::faithful::closed_folders as v20_closed_folders,
    crate::faithful::labels as d19_labels,
);
conformance!(
    rsync_ssh_keeps,
    crate::ssh_servers::RSYNC_SSH,
    crate::faithful::modes_and_holes as v20_modes_and_holes,
    crate::faithful::closed_folders as v20_closed_folders,
    crate::faithful::labels as d19_labels,
);
conformance!(
    a_plain_server_keeps,
    crate::ssh_servers::PLAIN_SERVER,
    crate::faithful::modes_and_holes as v20_modes_and_holes,
    crate::faithful::closed_folders as v20_closed_folders,
    crate::faithful::labels_that_nothing_takes as d19_labels_that_nothing_takes,
);

all_laws!(mount, crate::MOUNT);
conformance!(mount_loses_much, crate::MOUNT, crate::gap::more_than_is_named as d16_more_than_is_named);
conformance!(
    rclone_loses_much,
    crate::remotes::LOCAL_CURRENT,
    crate::gap::more_than_is_named as d16_more_than_is_named
);
all_laws!(over_rsync_ssh, crate::ssh_servers::RSYNC_SSH);
all_laws!(over_rsync_ssh_to_a_plain_server, crate::ssh_servers::PLAIN_SERVER);
all_laws!(over_rclone_current, crate::remotes::LOCAL_CURRENT);
all_laws!(over_rclone_sftp, crate::remotes::SFTP);

// Both versions of rclone are asked all laws above; crosswise those that depend on what a backend tells of links, names
// and times.
macro_rules! laws_of_a_backend {
    ($transport:ident, $make:expr) => {
        conformance!(
            $transport,
            $make,
            crate::faithful::odd_names as v9_odd_names,
            crate::faithful::mirrored_with_times_and_empty_folders as v2_mirrored_with_times_and_empty_folders,
            crate::faithful::record as d10_record_and_lives,
            crate::lives::equal_is_equal as v19_equal_is_equal,
            crate::lives::nothing_earlier_is_there as d10_nothing_earlier_is_there,
            crate::lives::what_differs_is_named as v19_what_differs_is_named,
            crate::damage::superseded as d22_superseded,
            crate::damage::gives_way as d22_gives_way,
            crate::gap::damage_is_seen as d16_damage_is_seen,
        );
    };
}
laws_of_a_backend!(over_rclone, crate::remotes::LOCAL);
laws_of_a_backend!(over_rclone_sftp_current, crate::remotes::SFTP_CURRENT);

// A destination that keeps no times: the law about them does not apply.
conformance!(
    over_rclone_webdav,
    crate::remotes::WEBDAV,
    crate::faithful::odd_names as v9_odd_names,
    crate::faithful::only_sealed_files as only_sealed_files,
    crate::faithful::record as d10_record_and_lives,
    crate::lives::equal_is_equal as v19_equal_is_equal,
    crate::lives::nothing_earlier_is_there as d10_nothing_earlier_is_there,
    crate::lives::what_differs_is_named as v19_what_differs_is_named,
    crate::damage::again_repairs_and_keeps_the_old as again_repairs_and_keeps_the_old,
    crate::damage::superseded as d22_superseded,
    crate::gap::damage_is_seen as d16_damage_is_seen,
    crate::gap::another_destination as d16_another_destination_proves_nothing,
    crate::damage::foreign_file_is_a_conflict as v1_foreign_file_is_a_conflict,
    crate::resume::finished_files_are_not_sent_again as s2_finished_files_are_not_sent_again,
    crate::resume::missing_marker as v10_missing_marker,
    crate::resume::marker_is_not_replaced_unasked as v13_marker_is_not_replaced_unasked,
);

// What lies on the disk is encrypted: the laws that look at it or damage it do not apply.
conformance!(
    over_rclone_crypt,
    crate::remotes::CRYPT,
    crate::faithful::empty_run as v6_empty_run,
    crate::resume::marker_is_not_replaced_unasked as v13_marker_is_not_replaced_unasked,
);

// The account's shell sees other paths than SFTP: nothing it says counts, and everything is read back.
conformance!(
    over_sftp_with_a_shell_elsewhere,
    crate::remotes::SHELL_ELSEWHERE,
    crate::rclone::v18_read_back_past_a_shell_that_sees_other_paths as v18_read_back_past_a_shell_that_sees_other_paths,
    crate::resume::marker_is_not_replaced_unasked as v13_marker_is_not_replaced_unasked,
);
conformance!(
    over_sftp_with_a_shell_elsewhere_current,
    crate::remotes::SHELL_ELSEWHERE_CURRENT,
    crate::rclone::v18_read_back_past_a_shell_that_sees_other_paths as v18_read_back_past_a_shell_that_sees_other_paths,
    crate::resume::marker_is_not_replaced_unasked as v13_marker_is_not_replaced_unasked,
);
