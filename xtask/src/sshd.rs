//! An sshd of one measurement's or campaign's own: free loopback port, own keys and configuration; ended by its process
//! id.

use crate::process::{Call, Running};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A running sshd that lets this account in with a key of its own.
pub struct Sshd {
    // Dropped in this order: the server ends before its folder goes.
    server: Running,
    folder: tempfile::TempDir,
    port: u16,
}

impl Sshd {
    /// Started, and answering.
    pub fn start() -> Result<Sshd> {
        let folder = tempfile::Builder::new().prefix("sshd-").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        for key in ["host_key", "id"] {
            Call::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(key)).read()?;
        }
        fs::copy(at("id.pub"), at("authorized_keys"))?;
        fs::set_permissions(at("authorized_keys"), PermissionsExt::from_mode(0o600))?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\nMaxSessions 20\nLogLevel ERROR\n\
             SetEnv HOME={}\n",
            at("host_key").display(),
            at("authorized_keys").display(),
            at("pid").display(),
            // What this account does at every login is not to be measured.
            folder.path().display()
        );
        fs::write(at("config"), config)?;
        // Where it is not there, sshd refuses to start; it belongs to the system and stays empty.
        let _ = fs::DirBuilder::new().recursive(true).mode(0o755).create("/run/sshd");
        let server =
            Call::new("/usr/sbin/sshd").args(["-D", "-e", "-f"]).arg(at("config")).start(File::create(at("log"))?);
        let mut sshd = Sshd { server: server.context("sshd of openssh-server is needed")?, folder, port };
        sshd.wait_until_it_answers()?;
        Ok(sshd)
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let begun = Instant::now();
        let mut hello = [0; 4];
        while !TcpStream::connect(("127.0.0.1", self.port))
            .is_ok_and(|mut stream| stream.read_exact(&mut hello).is_ok())
        {
            if begun.elapsed() > Duration::from_secs(20) {
                bail!(
                    "sshd does not answer: {}",
                    fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
                );
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The config's `transport` for a folder behind it.
    pub fn transport(&self, folder: &Path) -> String {
        format!(
            "{{type: rsync_ssh, ssh_target: 'root@127.0.0.1', remote_path: '{}', ssh_key_path: '{}', ssh_port: {}, known_hosts: '{}'}}",
            folder.display(),
            self.at("id").display(),
            self.port,
            self.at("known_hosts").display()
        )
    }

    /// The same as a remote `nas` of rclone, by SFTP.
    pub fn remote(&self) -> String {
        format!(
            "[nas]\ntype = sftp\nhost = 127.0.0.1\nport = {}\nuser = root\nkey_file = {}\n",
            self.port,
            self.at("id").display()
        )
    }

    /// What a person would type to get there, for `rsync -e` and for a shell.
    pub fn command(&self) -> String {
        format!(
            "ssh -p {} -i {} -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={}",
            self.port,
            self.at("id").display(),
            self.at("known_hosts").display()
        )
    }
}
