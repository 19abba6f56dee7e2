//! Destinations behind sshd, and servers that can do less than others.

use crate::bench::{Bench, Destination, Make, TestRun};
use crate::remotes::write_program;
use crate::sshd::Sshd;
use engine::keep::seal::SealReader;
use engine::transport::rsync_ssh::{RsyncSshTransport, Server};
use engine::transport::{Transport, TransportError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder behind an sshd of its own.
pub struct Behind {
    transport: Arc<dyn Transport>,
    root: PathBuf,
    own: Option<Sshd>,
}

impl Behind {
    /// Of its own.
    pub fn server(&self) -> Server {
        self.own.as_ref().expect("a server of its own").server()
    }
}

impl Destination for Behind {
    fn shared(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    fn root(&self) -> &Path {
        &self.root
    }

    fn keeps_parts(&self) -> bool {
        true
    }

    fn limit_is_asked_at_least(&self) -> usize {
        1
    }

    /// The server that all tests share has GNU's `find`.
    fn tells_changes(&self) -> bool {
        self.own.is_none()
    }
}

/// A transport of its own to the server that all tests share.
pub fn behind(root: &Path, staging: &Path, change: impl FnOnce(&mut Server)) -> Behind {
    let mut server = Sshd::shared().server();
    server.known_hosts = staging.parent().unwrap().join("known_hosts");
    change(&mut server);
    let transport = Arc::new(RsyncSshTransport::new(server, root.display().to_string(), staging.to_owned(), None));
    Behind { transport, root: root.to_owned(), own: None }
}

/// Behind a server of its own.
pub fn behind_own(sshd: Sshd, root: &Path, staging: &Path, change: impl FnOnce(&mut Server)) -> Behind {
    let mut server = sshd.server();
    change(&mut server);
    let transport = Arc::new(RsyncSshTransport::new(server, root.display().to_string(), staging.to_owned(), None));
    Behind { transport, root: root.to_owned(), own: Some(sshd) }
}

pub const RSYNC_SSH: Make = |root, staging| Box::new(behind(root, staging, |_| ()));

/// A server without openssl, whose `find` prints nothing: `sha256sum` and `stat` do.
pub const PLAIN_SERVER: Make = |root, staging| {
    let tools = staging.parent().unwrap().join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    for name in
        ["sh", "cat", "grep", "head", "ln", "ls", "mkdir", "mv", "rm", "rmdir", "sha256sum", "stat", "sync", "rsync"]
    {
        std::os::unix::fs::symlink(which(name), tools.join(name)).unwrap();
    }
    let script = format!(
        "#!/bin/sh\nfor a; do [ \"$a\" = -printf ] && {{ echo 'find: unrecognized: -printf' >&2; exit 1; }}; done\nexec {} \"$@\"\n",
        which("find").display()
    );
    write_program(&tools.join("find"), &script);
    Box::new(behind_own(Sshd::start_with(&format!("SetEnv PATH={}", tools.display())), root, staging, |_| ()))
};

pub fn which(name: &str) -> PathBuf {
    ["/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists()).unwrap()
}

/// Pushes over another transport to the same place.
pub async fn push_with(
    behind: &Behind,
    bench: &Bench,
    run: &TestRun,
    seal: &str,
) -> Result<SealReader, TransportError> {
    let listing = bench.list(run);
    bench.push_over(behind.transport(), run, &listing, seal, None).await
}
