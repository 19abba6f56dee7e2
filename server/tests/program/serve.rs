//! The server's life: the port, the answers, the signals.

use crate::tool::{Place, ended};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// Starts serving and waits for the address it prints.
pub async fn serve(place: &Place, more: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>, String) {
    let mut child = place.spawn(&[&["serve"], more].concat());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = tokio::time::timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, address)) = line.split_once("panel         http://") {
                return address.to_owned();
            }
        }
        panic!("it ended before it listened")
    });
    let address = address.await.expect("it listens");
    (child, lines, address)
}

async fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

pub fn signal(child: &Child, name: &str) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    let signal = if name == "TERM" { rustix::process::Signal::TERM } else { rustix::process::Signal::INT };
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[tokio::test]
async fn off_it_answers_and_ends_well_on_either_signal() {
    for name in ["TERM", "INT"] {
        let place = Place::new("server: {listen: \"127.0.0.1:0\"}\n");
        let (child, _lines, address) = serve(&place, &[]).await;
        assert!(get(&address, "/healthz").await.starts_with("HTTP/1.1 200"));
        assert!(get(&address, "/staging").await.contains("\"orchestrator_disabled\""));
        // A connection that is kept open must not hold up the end.
        let _idle = TcpStream::connect(&address).await.unwrap();
        signal(&child, name);
        let ended = tokio::time::timeout(PATIENCE, ended(child)).await.expect("it ends");
        assert_eq!(ended.code, 0, "{}", ended.errors);
        let log =
            std::fs::read_to_string(place.path().join("state/exlab-orchestrator/log/exlab-orchestrator.log")).unwrap();
        assert!(log.contains("listening") && log.contains("stopped") && !log.contains('\u{1b}'), "{log}");
    }
}

#[tokio::test]
async fn listen_on_the_command_line_wins_and_stays_on_loopback() {
    let place = Place::new("server: {listen: \"127.0.0.1:1\"}\n");
    let (child, _lines, address) = serve(&place, &["--listen", "localhost:0", "--log-format", "json"]).await;
    assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":1"));
    signal(&child, "TERM");
    let ended = tokio::time::timeout(PATIENCE, ended(child)).await.expect("it ends");
    let first = ended.errors.lines().next().unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(first).unwrap()["message"], "listening");
    let refused = place.run(&["serve", "--listen", "0.0.0.0:0"]).await;
    assert_eq!(refused.code, 1);
    assert!(refused.errors.contains("no authentication yet"), "{}", refused.errors);
}

#[tokio::test]
async fn a_taken_port_is_explained() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place::new(&format!("server: {{listen: \"{}\"}}\n", taken.local_addr().unwrap()));
    let refused = place.run(&["serve"]).await;
    assert_eq!(refused.code, 1);
    assert!(
        refused.errors.contains("Cannot listen on") && refused.errors.contains("another exlab-orchestrator"),
        "{}",
        refused.errors
    );
}
