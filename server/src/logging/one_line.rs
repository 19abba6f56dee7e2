//! One event, one line, whatever the names in it contain (S13).

use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;

/// Makes writers that keep an event on one line. The formatter gives a whole event in one write.
pub struct OneLine<M>(M);

impl<M> OneLine<M> {
    /// Around another maker.
    pub fn new(inner: M) -> OneLine<M> {
        OneLine(inner)
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for OneLine<M> {
    type Writer = OneLineWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLineWriter(self.0.make_writer())
    }
}

/// Escapes line breaks inside an event.
pub struct OneLineWriter<W>(W);

impl<W: Write> Write for OneLineWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let (body, end) = match event.strip_suffix(b"\n") {
            Some(body) => (body, b"\n".as_slice()),
            None => (event, b"".as_slice()),
        };
        if body.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            let mut escaped = Vec::with_capacity(event.len() + 16);
            for byte in body {
                match byte {
                    b'\n' => escaped.extend_from_slice(b"\\n"),
                    b'\r' => escaped.extend_from_slice(b"\\r"),
                    other => escaped.push(*other),
                }
            }
            escaped.extend_from_slice(end);
            self.0.write_all(&escaped)?;
        } else {
            self.0.write_all(event)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s13_a_newline_in_a_name_forges_no_entry() {
        let mut out = Vec::new();
        OneLineWriter(&mut out).write_all(b"INFO run Run_\n2026 ERROR forged\r\n").unwrap();
        OneLineWriter(&mut out).write_all(b"INFO plain\n").unwrap();
        assert_eq!(out, b"INFO run Run_\\n2026 ERROR forged\\r\nINFO plain\n");
    }
}
