//! How much of the program one client may hold, and for how long. Half a request, a body that stalls, an answer that
//! nobody reads and a connection that says nothing are all ended: whoever has the page open is answered meanwhile.

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::problem::{ErrorCode, Problem};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// The limits of one server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once. Another one takes the place of the one that has asked nothing for longest; where all have
    /// asked something it is told so and closed. Browsers hold up to six of one panel, and one more for its events.
    pub connections: usize,
    /// For all headers of a request; also how long a connection may be idle between two.
    pub header_time: Duration,
    /// All headers of a request, in bytes.
    pub header_bytes: usize,
    /// For the whole body of a request.
    pub body_time: Duration,
    /// Largest body of a request that names one run, in bytes.
    pub body_bytes: usize,
    /// Largest body of a request that names many: an act over 100,000 runs with long names.
    pub large_body_bytes: usize,
    /// How long a client may take none of an answer.
    pub write_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 1_024,
            header_time: Duration::from_secs(20),
            header_bytes: 32 << 10,
            body_time: Duration::from_secs(60),
            body_bytes: 256 << 10,
            large_body_bytes: 32 << 20,
            write_time: Duration::from_secs(60),
        }
    }
}

impl Limits {
    fn body_bytes_of(&self, path: &str) -> usize {
        let many = path == "/api/v1/acts" || path == "/api/v1/acts/plan" || path.starts_with("/api/v1/fn/");
        if many { self.large_body_bytes } else { self.body_bytes }
    }
}

/// Whether a connection has asked something: one that has not makes room for another, and so does one whose request has
/// begun and whose body does not come.
#[derive(Clone, Default, Debug)]
pub struct Stands(Arc<AtomicU8>);

impl Stands {
    const SILENT: u8 = 0;
    const ASKED: u8 = 1;
    const CLOSED: u8 = 2;

    /// All headers of a request are there; `whole`: and it has no body.
    pub fn begins(&self, whole: bool) {
        self.0.store(if whole { Stands::ASKED } else { Stands::SILENT }, Ordering::Relaxed);
    }

    /// The whole request is there.
    pub fn has_asked(&self) {
        self.0.store(Stands::ASKED, Ordering::Relaxed);
    }

    /// The connection has ended.
    pub fn closes(&self) {
        self.0.store(Stands::CLOSED, Ordering::Relaxed);
    }

    /// Nothing whole was asked, and it is open.
    pub fn asks_nothing(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Stands::SILENT
    }

    /// It has ended.
    pub fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Stands::CLOSED
    }
}

/// Reads the whole body before a handler begins: what is too large is 413, what does not come is 408.
pub async fn whole_body(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let most = limits.body_bytes_of(request.uri().path());
    let (parts, body) = request.into_parts();
    let too_large = || {
        let message = format!("The body is larger than the {most} bytes that this address takes.");
        refused(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::Unprocessable, message)
    };
    // A body that announces too large a size need not be read first.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|bytes| bytes > most) {
        return too_large();
    }
    match tokio::time::timeout(limits.body_time, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => {
            if let Some(stands) = parts.extensions.get::<Stands>() {
                stands.has_asked();
            }
            next.run(Request::from_parts(parts, Body::from(bytes))).await
        }
        Ok(Err(error)) if is_too_large(&error) => too_large(),
        Ok(Err(error)) => {
            refused(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, format!("The body broke off: {error}."))
        }
        Err(_) => {
            let seconds = limits.body_time.as_secs();
            refused(
                StatusCode::REQUEST_TIMEOUT,
                ErrorCode::BadRequest,
                format!("The body did not come within {seconds} s."),
            )
        }
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    std::iter::from_fn(|| {
        let now = cause?;
        cause = now.source();
        Some(now)
    })
    .any(|error| error.is::<http_body_util::LengthLimitError>())
}

fn refused(status: StatusCode, code: ErrorCode, message: String) -> Response {
    let mut response = status.into_response();
    // The rest of the body is not read: nothing more can be asked over this connection.
    response.headers_mut().insert(axum::http::header::CONNECTION, axum::http::HeaderValue::from_static("close"));
    response.extensions_mut().insert(Problem::new(code, message));
    response
}

/// What a client is told for whom there is no connection left, as it goes over the wire.
pub const NO_CONNECTION_LEFT: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 59\r\n\
    retry-after: 5\r\nconnection: close\r\n\r\nToo many connections are open: try again in some seconds.\r\n";

/// How long, and how much, a client may go on sending after its last answer. Data that reaches a closed connection
/// resets it, and with the reset the client loses the answer that says why.
const LINGERS_FOR: Duration = Duration::from_secs(2);
const LINGERS_OVER: usize = 64 << 20;

/// A connection whose client must take something of what is written to it now and then, and that ends so that the last
/// answer arrives.
#[derive(Debug)]
pub struct Patient {
    stream: TcpStream,
    patience: Duration,
    /// Runs while a write waits.
    waits: Option<Pin<Box<Sleep>>>,
    /// Set once nothing more is written.
    lingers: Option<Linger>,
}

#[derive(Debug)]
struct Linger {
    end: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl Linger {
    /// Reads and drops what still comes, until the client closes too, or the bounds are reached.
    fn poll(&mut self, stream: &mut TcpStream, context: &mut Context<'_>) -> Poll<()> {
        let mut space = [MaybeUninit::uninit(); 16 << 10];
        while self.bytes_left > 0 && self.end.as_mut().poll(context).is_pending() {
            let mut dropped = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(&mut *stream).poll_read(context, &mut dropped)) {
                Ok(()) if !dropped.filled().is_empty() => {
                    self.bytes_left = self.bytes_left.saturating_sub(dropped.filled().len())
                }
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl Patient {
    /// Bears `patience` without a byte taken.
    pub fn new(stream: TcpStream, patience: Duration) -> Patient {
        Patient { stream, patience, waits: None, lingers: None }
    }

    fn written<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.waits = None;
            return outcome;
        }
        let end = Instant::now() + self.patience;
        let waits = self.waits.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        match waits.as_mut().poll(context) {
            Poll::Ready(()) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of the answer")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.written(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Patient { stream, lingers, .. } = &mut *self;
        if lingers.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
        }
        let begun = || Linger { end: Box::pin(tokio::time::sleep(LINGERS_FOR)), bytes_left: LINGERS_OVER };
        lingers.get_or_insert_with(begun).poll(stream, context).map(Ok)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.written(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
