//! An sshd of the test's own: free loopback port, own host key, own account key, own configuration, no system files;
//! ended by its process id when dropped, or when the test program ends, however it ends.

use domain::settings::HostKeyPolicy;
use engine::transport::rsync_ssh::Server;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Free ports are found one at a time, so that two servers of one test program do not take the same.
static STARTING: Mutex<()> = Mutex::new(());

/// Starts what follows, waits until its own standard input ends, and ends what it started.
const ENDS_WITH_US: &str = "\"$@\" </dev/null & p=$!; read x; kill $p; wait $p";

/// A running sshd.
pub struct Sshd {
    pub folder: tempfile::TempDir,
    pub port: u16,
    child: Child,
}

fn keygen(path: &Path) {
    let status = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
    assert!(status.expect("these tests need `ssh-keygen` of openssh-client").success());
}

impl Sshd {
    /// One that all tests of this program share.
    pub fn shared() -> &'static Sshd {
        static SHARED: OnceLock<Sshd> = OnceLock::new();
        SHARED.get_or_init(Sshd::start)
    }

    /// Started, and answering.
    pub fn start() -> Sshd {
        Sshd::start_with("")
    }

    /// SFTP begins in this folder, and the shell elsewhere.
    pub fn start_with_sftp_in(folder: &Path) -> Sshd {
        Sshd::begin("", &format!(" -d {}", folder.display()))
    }

    /// With more lines of configuration.
    pub fn start_with(lines: &str) -> Sshd {
        Sshd::begin(lines, "")
    }

    fn begin(lines: &str, sftp: &str) -> Sshd {
        let folder = tempfile::Builder::new().prefix("sshd-").tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        keygen(&path("host_key"));
        keygen(&path("id"));
        std::fs::copy(path("id.pub"), path("authorized_keys")).unwrap();
        std::fs::set_permissions(path("authorized_keys"), PermissionsExt::from_mode(0o600)).unwrap();
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let shown = |name: &str| path(name).display().to_string();
        // Not the account's own, whose profile may do anything for a while. sshd heeds only the first line of these.
        let home = format!("SetEnv HOME={}", folder.path().display());
        let lines =
            if lines.contains("SetEnv ") { lines.replacen("SetEnv", &home, 1) } else { format!("{lines}\n{home}") };
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxSessions 20\nMaxStartups 50\nSubsystem sftp internal-sftp{sftp}\n\
             LogLevel ERROR\n{lines}\n",
            shown("host_key"),
            shown("authorized_keys"),
            shown("pid")
        );
        std::fs::write(path("config"), config).unwrap();
        // Where it is not there, sshd refuses to start; it belongs to the system and stays empty.
        let _ = std::fs::DirBuilder::new().recursive(true).mode(0o755).create("/run/sshd");
        let mut command = Command::new("sh");
        command.args(["-c", ENDS_WITH_US, "sh", "/usr/sbin/sshd", "-D", "-e", "-f"]).arg(path("config"));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(std::fs::File::create(path("log")).unwrap());
        let child = command.spawn().expect("these tests need `sshd` of openssh-server");
        let mut server = Sshd { folder, port, child };
        server.wait_until_it_answers();
        server
    }

    fn wait_until_it_answers(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let mut hello = [0; 4];
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                .is_ok_and(|mut stream| stream.read_exact(&mut hello).is_ok())
                && &hello == b"SSH-"
            {
                return;
            }
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(self.child.try_wait().unwrap().is_none(), "sshd ended: {}", log());
            assert!(Instant::now() < deadline, "sshd never answered: {}", log());
            std::thread::yield_now();
        }
    }

    /// How a transport reaches it.
    pub fn server(&self) -> Server {
        Server {
            target: format!("{}@127.0.0.1", account()),
            port: self.port,
            key: self.path("id"),
            known_hosts: self.path("known_hosts"),
            host_keys: HostKeyPolicy::AcceptNew,
            ssh: "ssh".to_owned(),
            rsync: "rsync".to_owned(),
            idle: std::time::Duration::from_secs(60),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Ends it, and its open connections with it.
    pub fn stop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn account() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
