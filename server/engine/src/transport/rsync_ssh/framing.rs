//! Tells what a script of ours says from what a login prints around it: a greeting, a word of the day, a farewell.
//!
//! Each call makes up its own markers, so that no text holds them by chance, and none of an earlier call is taken for
//! it. They stand on standard error, too: an account's "Permission denied to guests." is no error of ours.

/// Of a greeting this much is kept, for messages.
const KEPT: usize = 2_000;

/// What one call listens with.
#[derive(Debug)]
pub(super) struct Framing {
    id: String,
    begin: Vec<u8>,
    end: Vec<u8>,
    /// What may be the beginning of a marker.
    held: Vec<u8>,
    stands: Stands,
    /// What came before the answer.
    greeting: Vec<u8>,
}

/// Where a call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stands {
    Before,
    Inside,
    After,
}

impl Framing {
    /// With new markers.
    pub fn new() -> Framing {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let (begin, end) = (marker("begin", &id), marker("end", &id));
        Framing { id, begin, end, held: Vec::new(), stands: Stands::Before, greeting: Vec::new() }
    }

    /// A script that says the markers around what it says. In braces, so that one whose end was cut off by a broken
    /// connection does nothing at all; and in a shell of its own, so that the last marker is said however it ends.
    pub fn wrap(&self, script: &[u8]) -> Vec<u8> {
        let say = |what: &str| {
            let word = format!("printf '\\001exlab-{what} %s\\001' {}", self.id);
            format!("{word}\n{word} >&2\n")
        };
        let first = format!("{{ LC_ALL=C; export LC_ALL; umask 022\n{}(\n", say("begin"));
        let last = format!("\n)\nexlab_code=$?\n{}exit $exlab_code; }}\n", say("end"));
        [first.as_bytes(), script, last.as_bytes()].concat()
    }

    /// The same for a script of one line that says nothing on standard output: the markers are on standard error alone.
    /// It stays one line, for a login shell of any kind.
    pub fn wrap_line(&self, script: &str) -> String {
        let say = |what: &str| format!("printf \"\\001exlab-{what} %s\\001\" {} >&2", self.id);
        format!("{}; ({script}); exlab_code=$?; {}; exit $exlab_code", say("begin"), say("end"))
    }

    /// What was said on standard error, told apart. Without markers everything is the script's: of very much only the
    /// end was kept, or no shell of ours answered.
    pub fn complaints(&self, stderr: &str) -> Complaints {
        let mark = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (begin, end) = (mark(&self.begin), mark(&self.end));
        let (before, rest) = match stderr.split_once(begin.as_str()) {
            Some((before, rest)) => (Some(before.to_owned()), rest),
            None => (None, stderr),
        };
        let script = rest.rsplit_once(end.as_str()).map_or(rest, |(script, _)| script).to_owned();
        Complaints { before, script }
    }

    /// Takes what came, and gives on what is of the answer.
    pub fn take(&mut self, bytes: &[u8], output: &mut (dyn FnMut(&[u8]) + Send)) {
        self.held.extend_from_slice(bytes);
        if self.stands == Stands::Before
            && let Some(rest) = self.pass(true, &mut |_| ())
        {
            self.held = rest;
            self.stands = Stands::Inside;
        }
        if self.stands == Stands::Inside
            && let Some(_) = self.pass(false, output)
        {
            self.stands = Stands::After;
        }
        if self.stands == Stands::After {
            self.held.clear();
        }
    }

    /// Gives on what cannot belong to the marker; what stands behind the marker, once it was there.
    fn pass(&mut self, before: bool, output: &mut (dyn FnMut(&[u8]) + Send)) -> Option<Vec<u8>> {
        let marker = if before { &self.begin } else { &self.end };
        let at = self.held.windows(marker.len()).position(|window| window == marker);
        let sure = at.unwrap_or_else(|| {
            let longest = self.held.len().min(marker.len() - 1);
            self.held.len() - (1..=longest).rev().find(|n| self.held.ends_with(&marker[..*n])).unwrap_or(0)
        });
        let rest = at.map(|at| self.held[at + marker.len()..].to_vec());
        let said: Vec<u8> = self.held.drain(..sure).collect();
        if before {
            let room = KEPT.saturating_sub(self.greeting.len());
            self.greeting.extend(said.iter().take(room));
        }
        if !said.is_empty() {
            output(&said);
        }
        rest
    }

    /// Where it stands by now.
    pub fn stands(&self) -> Stands {
        self.stands
    }

    /// What came before the answer; all that came, when no answer did.
    pub fn greeting(&self) -> &[u8] {
        &self.greeting
    }
}

/// Standard error of one call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Complaints {
    /// What the account prints there before every answer; `None` where that is not known.
    pub before: Option<String>,
    /// What is the script's own.
    pub script: String,
}

fn marker(what: &str, id: &str) -> Vec<u8> {
    format!("\u{1}exlab-{what} {id}\u{1}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::child::{Tool, run};
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn v16_only_what_stands_between_the_markers_is_the_answer_however_it_arrives() {
        let framing = Framing::new();
        let script = framing.wrap(b"printf 'a\\001exlab-b\\000'; exit 7");
        let mut said = Vec::new();
        let tool = Tool::new("sh").args(["-c", "echo welcome; sh -s; code=$?; echo bye; exit $code"]);
        let ended = run(&tool, &script, &mut |bytes: &[u8]| said.extend_from_slice(bytes), &CancellationToken::new())
            .await
            .unwrap();
        assert_eq!(ended.code, Some(7));
        for piece in [1, 2, 7, said.len()] {
            let mut framing = Framing {
                id: framing.id.clone(),
                begin: framing.begin.clone(),
                end: framing.end.clone(),
                ..Framing::new()
            };
            let mut heard = Vec::new();
            for bytes in said.chunks(piece) {
                framing.take(bytes, &mut |bytes: &[u8]| heard.extend_from_slice(bytes));
            }
            assert_eq!((heard.as_slice(), framing.greeting()), (b"a\x01exlab-b\0".as_slice(), b"welcome\n".as_slice()));
            assert_eq!(framing.stands(), Stands::After);
        }
    }
    #[tokio::test]
    async fn v16_what_a_login_says_on_standard_error_is_no_complaint_of_a_script() {
        let no_output = &mut |_: &[u8]| ();
        for (complaint, expected) in [("", ""), ("echo own >&2; echo own too >&2;", "own\nown too\n")] {
            let framing = Framing::new();
            let around = |inner: &str| {
                format!(
                    "printf 'Permission denied to guests. ' >&2; {inner}; c=$?; echo No space left on device >&2; \
                     exit $c"
                )
            };
            let script = framing.wrap(format!("{complaint} exit 7").as_bytes());
            let tool = Tool::new("sh").args(["-c", &around("sh -s")]);
            let whole = run(&tool, &script, no_output, &CancellationToken::new()).await.unwrap();
            let line = framing.wrap_line(&format!("{complaint} exit 7"));
            let tool = Tool::new("sh").args(["-c", &around("sh -c \"$1\""), "sh", &line]);
            let one_line = run(&tool, &[], no_output, &CancellationToken::new()).await.unwrap();
            for ended in [whole, one_line] {
                assert_eq!(ended.code, Some(7));
                let before = Some("Permission denied to guests. ".to_owned());
                assert_eq!(framing.complaints(&ended.stderr), Complaints { before, script: expected.to_owned() });
            }
            let cut = Complaints { before: None, script: "the rest".to_owned() };
            let end = String::from_utf8(framing.end.clone()).unwrap();
            assert_eq!(framing.complaints(&format!("the rest{end}farewell")), cut);
            assert_eq!(framing.complaints("the rest"), cut);
        }
    }
}
