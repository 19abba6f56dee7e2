//! What one client may hold of the program (S21), over real connections.

use crate::fake::Fake;
use crate::wire::SmallSite;
use app::backend::Backend;
use server::http::limits::Limits;
use server::http::{Options, listen, router};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Far more than any limit of these tests.
const PATIENCE: Duration = Duration::from_secs(30);

struct Server {
    address: SocketAddr,
    _stop: DropGuard,
}

fn short() -> Limits {
    let soon = Duration::from_millis(700);
    Limits { header_time: soon, body_time: soon, write_time: soon, ..Limits::default() }
}

async fn server(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let backend = Backend::there(Arc::new(Fake::default()));
    let router = router(backend, Options { address, stop: stop.clone(), site: Arc::new(SmallSite), limits });
    tokio::spawn(listen::serve(listener, router, limits, stop.clone()));
    Server { address, _stop: stop.drop_guard() }
}

impl Server {
    /// Opens a connection and says this.
    async fn say(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.replace("HOST", &self.address.to_string()).as_bytes()).await.unwrap();
        stream
    }

    /// A whole request over a connection of its own; its answer.
    async fn asked(&self, text: &str) -> String {
        let stream = self.say(text).await;
        until_closed(stream).await
    }

    async fn answers(&self) {
        let answer = self.asked("GET /healthz HTTP/1.1\r\nhost: HOST\r\nconnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

/// Everything that comes until the other side closes.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut heard = Vec::new();
    let read = tokio::time::timeout(PATIENCE, async {
        let mut space = [0; 8_192];
        // One that is reset is closed too.
        while let Ok(n @ 1..) = stream.read(&mut space).await {
            heard.extend_from_slice(&space[..n]);
        }
    });
    read.await.expect("the connection was never closed");
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn s21_half_requests_are_ended_and_the_panel_answers_meanwhile() {
    let server = server(short()).await;
    let mut halves = Vec::new();
    for half in ["", "GET /", "GET /healthz HTTP/1.1\r\nhost: HOST\r\nx-never-ends: 1\r\n"] {
        for _ in 0..100 {
            halves.push(server.say(half).await);
        }
    }
    server.answers().await;
    for half in halves {
        until_closed(half).await;
    }
    server.answers().await;
}

#[tokio::test]
async fn s21_a_connection_that_says_nothing_after_its_answer_is_closed() {
    let server = server(short()).await;
    let answer = server.asked("GET /healthz HTTP/1.1\r\nhost: HOST\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn s21_headers_and_bodies_have_a_size_and_a_body_a_time() {
    let server = server(short()).await;
    let long = "x".repeat(1 << 20);
    let answer = server.asked(&format!("GET /healthz HTTP/1.1\r\nhost: HOST\r\nx-long: {long}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");

    let post = |path: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: HOST\r\norigin: http://HOST\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let one = "/staging/E/P/Runs/Run_1/clear";
    let answer = server.asked(&post(one, 300 << 10)).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("application/problem+json"), "{answer}");
    assert!(answer.contains("262144 bytes"), "{answer}");
    let answer = server.asked(&(post(one, 100) + "{\"operator\":")).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("did not come within"), "{answer}");
    // Also one that sends all of it before it reads a word: what comes after the answer must not take the answer away.
    let answer = server.asked(&(post(one, 24 << 20) + &"x".repeat(24 << 20))).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // One that names many runs may be larger.
    let answer = server.asked(&post("/api/v1/acts", 300 << 10)).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "it is waited for: {answer}");
    server.answers().await;
}

#[tokio::test]
async fn s21_a_client_that_never_ends_is_not_listened_to_for_ever() {
    let server = server(Limits { write_time: PATIENCE, ..short() }).await;
    let one = "POST /staging/E/P/Runs/Run_1/clear HTTP/1.1\r\nhost: HOST\r\norigin: http://HOST\r\ncontent-length: 300000\r\n\r\n";
    let mut endless = server.say(one).await;
    let sent = tokio::time::timeout(PATIENCE, async { while endless.write_all(&[b'x'; 1_024]).await.is_ok() {} });
    sent.await.expect("it was never let go");
    server.answers().await;
}

#[tokio::test]
async fn s21_a_client_that_never_reads_is_let_go() {
    let server = server(Limits { header_time: PATIENCE, ..short() }).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut deaf = socket.connect(server.address).await.unwrap();
    // Answers that no buffer on the way holds, none of them read.
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    let asked = tokio::time::timeout(PATIENCE, async {
        loop {
            if deaf.write_all(request.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    asked.await.expect("it was never let go");
    server.answers().await;
}

#[tokio::test]
async fn s21_beyond_so_many_connections_one_that_asks_nothing_makes_room() {
    let server = server(Limits { connections: 3, header_time: PATIENCE, ..short() }).await;
    let mut silent = Vec::new();
    for _ in 0..30 {
        silent.push(server.say("GET /").await);
    }
    server.answers().await;
    // The oldest ones were ended for those that came after them.
    until_closed(silent.remove(0)).await;
}

/// A body that does not come is a request that was not asked.
#[tokio::test]
async fn s21_a_connection_whose_body_does_not_come_makes_room_too() {
    let server = server(Limits { connections: 3, header_time: PATIENCE, body_time: PATIENCE, ..short() }).await;
    let half = "POST /api/v1/acts/plan HTTP/1.1\r\nhost: HOST\r\norigin: http://HOST\r\ncontent-type: application/json\r\n\
        content-length: 100\r\n\r\n{";
    let whole = "GET /healthz HTTP/1.1\r\nhost: HOST\r\n\r\n";
    let mut silent = Vec::new();
    // Also one that has asked something before.
    for text in [half.to_owned(), format!("{whole}{half}")].iter().cycle().take(30) {
        silent.push(server.say(text).await);
    }
    server.answers().await;
    until_closed(silent.remove(0)).await;
}

#[tokio::test]
async fn s21_where_all_connections_have_asked_one_more_is_told_so_at_once_and_the_next_is_served() {
    let server = server(Limits { connections: 3, header_time: PATIENCE, ..short() }).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut events = server.say("GET /api/v1/events HTTP/1.1\r\nhost: HOST\r\n\r\n").await;
        assert!(events.read(&mut [0; 4_096]).await.unwrap() > 0);
        held.push(events);
    }
    let one_more = || server.asked("GET /healthz HTTP/1.1\r\nhost: HOST\r\nconnection: close\r\n\r\n");
    let refused = one_more().await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("Too many connections"), "{refused}");
    held.pop();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !one_more().await.starts_with("HTTP/1.1 200") {
        assert!(tokio::time::Instant::now() < deadline);
    }
}

#[tokio::test]
async fn s21_events_flow_for_longer_than_any_limit() {
    let server =
        server(Limits { header_time: Duration::from_millis(100), write_time: Duration::from_millis(100), ..short() })
            .await;
    let mut events = server.say("GET /api/v1/events HTTP/1.1\r\nhost: HOST\r\n\r\n").await;
    let mut space = [0; 4_096];
    let n = events.read(&mut space).await.unwrap();
    assert!(String::from_utf8_lossy(&space[..n]).starts_with("HTTP/1.1 200"));
    // Others come and go over their whole limits meanwhile.
    for _ in 0..4 {
        until_closed(server.say("GET /").await).await;
    }
    let more = tokio::time::timeout(Duration::from_millis(1), async {
        loop {
            if events.read(&mut space).await.unwrap() == 0 {
                return;
            }
        }
    });
    assert!(more.await.is_err(), "it was closed");
}
