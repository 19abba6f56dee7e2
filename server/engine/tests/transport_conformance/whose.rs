//! Whose a destination is, is asked by every call: it may become another's between two of them.

use crate::MOUNT;
use crate::bench::{Bench, Make, file, files_below, marker};
use crate::remotes::{DEBIAN, local};
use crate::sshd::Sshd;
use domain::job::FailureClass;
use engine::transport::mount::MountTransport;
use engine::transport::rclone::RcloneTransport;
use engine::transport::rsync_ssh::RsyncSshTransport;
use engine::transport::{MarkedFor, Marker, RecordFile, Transport, TransportError};
use std::sync::Arc;

fn every_way(bench: &Bench, owner: MarkedFor) -> Vec<Arc<dyn Transport>> {
    let (root, staging, owner) = (bench.destination.root(), bench.staging(), Some(owner));
    let at_server = root.display().to_string();
    vec![
        Arc::new(MountTransport::new(root.to_owned(), staging.clone()).of(owner.clone())),
        Arc::new(RcloneTransport::new(local(DEBIAN, root, &staging).remote(), staging.clone(), None).of(owner.clone())),
        Arc::new(RsyncSshTransport::new(Sshd::shared().server(), at_server, staging, None).of(owner)),
    ]
}

#[tokio::test]
async fn v26_a_destination_that_became_another_s_is_not_touched() {
    let bench = Bench::new(MOUNT as Make).await;
    let run = bench.run("P/Runs/Run_1", &[(b"a", b"1")]);
    let seal = bench.push(&run).await.unwrap();
    let marked = marker();
    let ours = MarkedFor { installation: marked.installation, equipment: marked.equipment };
    let strangers = [
        MarkedFor { installation: "another".to_owned(), ..ours.clone() },
        MarkedFor { equipment: "EQ_2".to_owned(), ..ours.clone() },
    ];
    let record = [RecordFile { path: file(".exlab-wizard/x"), bytes: b"x".to_vec().into() }];
    let before = files_below(bench.destination.root());
    for way in strangers.into_iter().flat_map(|owner| every_way(&bench, owner)) {
        let refused = |error: TransportError| {
            assert_eq!(error.class, FailureClass::DestinationForeign, "{}: {error}", way.describe())
        };
        refused(way.identify(&bench.context).await.unwrap_err());
        refused(way.put_record(&run.path, 1, &record, &bench.context).await.unwrap_err());
        refused(way.move_aside(&run.path, &[file("a")], &bench.context).await.unwrap_err());
        refused(way.hashes(&run.path, &seal, None, &mut |_| (), &bench.context).await.unwrap_err());
        assert_eq!(files_below(bench.destination.root()), before, "{}", way.describe());
    }
    for way in every_way(&bench, ours) {
        assert_eq!(way.identify(&bench.context).await.unwrap().host, marker().host);
    }
}

#[tokio::test]
async fn v26_only_the_marker_that_was_put_is_taken_back() {
    let bench = Bench::new(MOUNT as Make).await;
    let marked = marker();
    let ours = MarkedFor { installation: marked.installation.clone(), equipment: marked.equipment.clone() };
    let another = Marker { installation: "another".to_owned(), ..marked };
    let place = bench.destination.root().join(".exlab-orchestrator/identity.json");
    let put = std::fs::read(&place).unwrap();
    for way in every_way(&bench, ours) {
        let wire = way.open_to_mark(false, &bench.context).await.unwrap();
        std::fs::write(&place, serde_json::to_vec(&another).unwrap()).unwrap();
        wire.take_marker_back(&put).await.unwrap();
        assert!(place.exists(), "{}: another was quicker", way.describe());
        std::fs::write(&place, &put).unwrap();
        wire.take_marker_back(&put).await.unwrap();
        assert!(!place.exists(), "{}", way.describe());
        std::fs::write(&place, &put).unwrap();
    }
}
