//! `rclone serve` and `smbd` of the test's own: free loopback ports, own folders, own configuration; ended by their
//! process id when dropped, or when the test program ends, however it ends.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Free ports are found one at a time, so that two servers of one test program do not take the same.
static STARTING: Mutex<()> = Mutex::new(());

/// Starts what follows, waits until its own standard input ends, and ends what it started.
const ENDS_WITH_US: &str = "\"$@\" </dev/null & p=$!; read x; kill $p; wait $p";

/// A server that ends with the test.
struct Server(Child);

impl Server {
    fn start(port: u16, program: &str, arguments: &[&str], log: &Path) -> Server {
        let mut command = Command::new("sh");
        command.args(["-c", ENDS_WITH_US, "sh", program]).args(arguments);
        let file = std::fs::File::create(log).unwrap();
        command.stdin(Stdio::piped()).stdout(file.try_clone().unwrap()).stderr(file);
        // smbd ends its whole process group when it ends: that must not be the test's.
        command.process_group(0);
        let mut server = Server(command.spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let said = || std::fs::read_to_string(log).unwrap_or_default();
            assert!(server.0.try_wait().unwrap().is_none(), "{program} ended: {}", said());
            assert!(Instant::now() < deadline, "{program} never answered: {}", said());
            std::thread::yield_now();
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// `rclone serve webdav` of a folder.
pub struct RcloneServe {
    pub port: u16,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl RcloneServe {
    pub fn webdav(program: &str, folder: &Path) -> RcloneServe {
        let own = tempfile::tempdir().unwrap();
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let port = free_port();
        let address = format!("--addr=127.0.0.1:{port}");
        // Its own cache of folders would hide what a tamperer does.
        let arguments =
            ["serve", "webdav", &address, "--dir-cache-time=0s", "--config=/dev/null", &folder.display().to_string()];
        let server = Server::start(port, program, &arguments, &own.path().join("log"));
        RcloneServe { port, _server: server, _folder: own }
    }
}

/// An smbd with one share, `share`.
pub struct Smbd {
    pub port: u16,
    pub user: String,
    pub password: String,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl Smbd {
    pub fn start(folder: &Path) -> Smbd {
        let own = tempfile::Builder::new().prefix("smbd-").tempdir().unwrap();
        let path = |name: &str| own.path().join(name).display().to_string();
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let port = free_port();
        let user = account();
        for name in ["private", "lock", "state", "cache", "pid", "rpc"] {
            std::fs::create_dir(own.path().join(name)).unwrap();
        }
        let config = format!(
            "[global]\nserver role = standalone server\nsmb ports = {port}\nbind interfaces only = yes\ninterfaces = 127.0.0.1/8\n\
             private dir = {}\nlock directory = {}\nstate directory = {}\ncache directory = {}\npid directory = {}\n\
             ncalrpc dir = {}\nlog file = {}\npassdb backend = tdbsam:{}\nload printers = no\nprinting = bsd\ndisable spoolss = yes\n\
             disable netbios = yes\nmap to guest = never\n[share]\npath = {}\nread only = no\nforce user = {user}\n",
            path("private"),
            path("lock"),
            path("state"),
            path("cache"),
            path("pid"),
            path("rpc"),
            path("log"),
            path("passdb.tdb"),
            folder.display()
        );
        std::fs::write(path("conf"), config).unwrap();
        let password = "nas-of-the-test".to_owned();
        let mut adding = Command::new("smbpasswd");
        adding
            .args(["-c", &path("conf"), "-s", "-a", &user])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut adding = adding.spawn().expect("these tests need `smbd` and `smbpasswd` of samba");
        std::io::Write::write_all(&mut adding.stdin.take().unwrap(), format!("{password}\n{password}\n").as_bytes())
            .unwrap();
        assert!(adding.wait().unwrap().success(), "smbpasswd could not add {user}");
        let config = format!("--configfile={}", path("conf"));
        let server = Server::start(
            port,
            "smbd",
            &["--foreground", "--no-process-group", "--debug-stdout", &config],
            &own.path().join("said"),
        );
        Smbd { port, user, password, _server: server, _folder: own }
    }
}

fn account() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
