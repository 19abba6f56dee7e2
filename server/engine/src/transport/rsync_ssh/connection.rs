//! The connection to a server: one ssh that the others share, started when needed, ended when nobody needed it for a
//! while.
//!
//! How it is made is another matter ([`super::connecting`]).

use super::connecting::{Master, connect};
use super::framing::{Complaints, Framing, Stands};
use super::quote::{rsync_shell_word, shell_word};
use super::server::Server;
use super::session::Known;
use super::waiting_shell::WaitingShell;
use super::{classify, ssh_words};
use crate::machine::child::{Ended, Input, Tool, run_listening};
use crate::transport::{CallContext, TransportError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use tokio::sync::Mutex;
use tokio::sync::mpsc::Receiver;

/// The shell that runs our scripts. Without `exec` and without a path: a restricted shell refuses both.
const SHELL: &str = "sh -s";

/// Connects when needed.
#[derive(Debug)]
pub(super) struct Connection {
    server: Server,
    master: Arc<Mutex<Option<Master>>>,
    uses: Arc<AtomicU64>,
    /// Held by every call while it goes on: it may take hours.
    calls: Arc<()>,
    /// For the next look.
    waiting: Arc<WaitingShell>,
    /// Of the server at the other end of the connection that stands.
    known: std::sync::Mutex<Option<Known>>,
    /// What the account prints before every answer.
    greeting: std::sync::Mutex<Greeting>,
}

/// What an account prints before every answer, as the last script that answered has shown.
#[derive(Clone, Default, Debug)]
struct Greeting {
    /// On standard output.
    output: Option<String>,
    /// On standard error, line by line.
    complaints: Vec<String>,
}

/// A call that goes on, on a connection.
#[derive(Debug)]
pub(super) struct InCall(#[expect(dead_code, reason = "it is counted, not looked at")] Arc<()>);

impl Connection {
    pub fn new(server: Server) -> Connection {
        Connection {
            server,
            master: Arc::default(),
            uses: Arc::default(),
            calls: Arc::default(),
            waiting: Arc::default(),
            known: std::sync::Mutex::default(),
            greeting: std::sync::Mutex::default(),
        }
    }

    /// What is known of the server since this connection stands.
    pub fn known(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it said.
    pub fn note_known(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Runs a script of ours at the server. Its text goes in on standard input, so that no name is part of a command
    /// line.
    pub async fn script(
        &self,
        script: &[u8],
        output: &mut (dyn FnMut(&[u8]) + Send),
        context: &CallContext,
    ) -> Result<Ended, TransportError> {
        let mut framing = Framing::new();
        let script = framing.wrap(script);
        let mut take = |bytes: &[u8]| framing.take(bytes, output);
        let ended = self.ask(SHELL, Input::Whole(&script), &mut take, context).await?;
        self.answered(&framing, ended, output)
    }

    /// The same, for a script that only looks: the shell that the look before this one left waiting runs it, and one is
    /// left for the next look.
    pub async fn looking_script(
        &self,
        script: &[u8],
        output: &mut (dyn FnMut(&[u8]) + Send),
        context: &CallContext,
    ) -> Result<Ended, TransportError> {
        let _call = self.call();
        let socket = self.ready(context).await?;
        let mut answer = None;
        if let Some(mut shell) = self.waiting.take(&socket) {
            let mut framing = Framing::new();
            let input = framing.wrap(script);
            let mut take = |bytes: &[u8]| framing.take(bytes, output);
            let ended = shell
                .converse_until(Input::Whole(&input), &mut take, &mut |_| (), &context.cancel)
                .await
                .map_err(classify::child)?;
            // One that ended while it waited has run nothing.
            if framing.stands() != Stands::Before {
                answer = Some(self.answered(&framing, ended, output)?);
            }
        }
        let ended = match answer {
            Some(ended) => ended,
            None => self.script(script, output, context).await?,
        };
        // It may stand anew since.
        if ended.success()
            && let Some(socket) = self.standing().await
        {
            self.waiting.start(&self.calling(&socket, SHELL), socket);
        }
        Ok(ended)
    }

    /// Runs a script of ours whose commands read these pieces on standard input, which nobody else reads: the script
    /// goes before them.
    pub async fn script_taking(
        &self,
        script: &[u8],
        pieces: &mut Receiver<Vec<u8>>,
        output: &mut (dyn FnMut(&[u8]) + Send),
        context: &CallContext,
    ) -> Result<Ended, TransportError> {
        let mut framing = Framing::new();
        let script = framing.wrap(script);
        // Only the length is part of the command line. A shell that reads its script itself would read on; byte by byte
        // none does.
        let command = format!("sh -c 'eval \"$(dd bs=1 count={} 2>/dev/null)\"'", script.len());
        let ended = self
            .ask(&command, Input::Pieces(&script, pieces), &mut |bytes| framing.take(bytes, output), context)
            .await?;
        self.answered(&framing, ended, output)
    }

    /// Leaves out what the account prints besides, and notes it; a script that said to have ended well without having
    /// said its end did not.
    fn answered(
        &self,
        framing: &Framing,
        ended: Ended,
        output: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Ended, TransportError> {
        let Complaints { before, script } = framing.complaints(&ended.stderr);
        let ended = self.unless_broken(Ended { stderr: script, ..ended })?;
        match framing.stands() {
            // No shell of ours answered: whoever asked says so, with what was said instead.
            Stands::Before => output(framing.greeting()),
            Stands::Inside if ended.success() => return Err(super::look::garbled("a script at the server")),
            Stands::Inside | Stands::After => {
                let text = String::from_utf8_lossy(framing.greeting()).trim().to_owned();
                let complaints = before.unwrap_or_default().lines().map(str::to_owned).collect();
                *self.greeting.lock().unwrap_or_else(PoisonError::into_inner) =
                    Greeting { output: (!text.is_empty()).then_some(text), complaints };
            }
        }
        Ok(ended)
    }

    /// What the account printed before its last answer, which tools that speak for themselves take for one.
    pub fn greeting(&self) -> Option<String> {
        self.greeting.lock().unwrap_or_else(PoisonError::into_inner).output.clone()
    }

    /// How a tool ended that speaks for itself, without what the account prints on standard error before every answer.
    pub fn without_greeting(&self, ended: Ended) -> Ended {
        let Greeting { complaints, .. } = self.greeting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_own = |line: &&str| line.trim().is_empty() || !complaints.iter().any(|greeting| greeting == line);
        let own: Vec<&str> = ended.stderr.lines().filter(is_own).collect();
        Ended { stderr: own.join("\n"), ..ended }
    }

    /// Runs a script of one line at the server, which says nothing and takes these pieces on standard input; nothing of
    /// it may come from a name that was not quoted.
    pub async fn line_taking(
        &self,
        script: &str,
        pieces: &mut Receiver<Vec<u8>>,
        context: &CallContext,
    ) -> Result<Ended, TransportError> {
        let framing = Framing::new();
        let word = shell_word(framing.wrap_line(script).as_bytes());
        let command = format!("sh -c {}", String::from_utf8_lossy(&word));
        let ended = self.ask(&command, Input::Pieces(&[], pieces), &mut |_| (), context).await?;
        let Complaints { script, .. } = framing.complaints(&ended.stderr);
        self.unless_broken(Ended { stderr: script, ..ended })
    }

    /// Runs a command at the server. What it said on standard error is the login's, too.
    async fn ask(
        &self,
        command: &str,
        input: Input<'_>,
        output: &mut (dyn FnMut(&[u8]) + Send),
        context: &CallContext,
    ) -> Result<Ended, TransportError> {
        let _call = self.call();
        let socket = self.ready(context).await?;
        // A server may allow few sessions at a time.
        self.waiting.end().await;
        let tool = self.calling(&socket, command);
        run_listening(&tool, input, output, &mut |_| (), &context.cancel).await.map_err(classify::child)
    }

    fn calling(&self, socket: &Path, command: &str) -> Tool {
        Tool::new(&self.server.ssh).args(self.server.options(socket)).args([
            "-T",
            "--",
            &self.server.for_ssh(),
            command,
        ])
    }

    fn unless_broken(&self, ended: Ended) -> Result<Ended, TransportError> {
        if ended.code == Some(255) { Err(ssh_words::failure(&ended, false, &self.server)) } else { Ok(ended) }
    }

    /// Keeps the connection from being ended as idle while it is held.
    fn call(&self) -> InCall {
        InCall(self.calls.clone())
    }

    /// The socket of the connection, if one stands.
    async fn standing(&self) -> Option<PathBuf> {
        let mut master = self.master.lock().await;
        let standing = master.as_mut()?;
        standing.running.is_running().then(|| standing.folder.socket())
    }

    /// For rsync's option `-e`; the connection is in use until what is beside it is dropped.
    pub async fn rsync_shell(&self, context: &CallContext) -> Result<(String, InCall), TransportError> {
        let call = self.call();
        let socket = self.ready(context).await?;
        self.waiting.end().await;
        let mut words = vec![rsync_shell_word(&self.server.ssh)];
        words.extend(self.server.options(&socket).iter().map(|word| rsync_shell_word(word)));
        Ok((words.join(" "), call))
    }

    /// Sees to it that the shared connection stands; the path of its socket.
    async fn ready(&self, context: &CallContext) -> Result<PathBuf, TransportError> {
        let mut master = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(TransportError::interrupted()),
            master = self.master.lock() => master,
        };
        self.uses.fetch_add(1, Ordering::Relaxed);
        if let Some(standing) = master.as_mut()
            && standing.running.is_running()
        {
            return Ok(standing.folder.socket());
        }
        *master = None;
        let connected = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(TransportError::interrupted()),
            connected = connect(&self.server) => connected?,
        };
        let socket = connected.folder.socket();
        *master = Some(connected);
        // It may be another server by now, or have other programs.
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
        drop(master);
        self.end_when_idle();
        Ok(socket)
    }

    /// Ends the connection once it was not used for a while.
    fn end_when_idle(&self) {
        let (master, uses, calls) = (Arc::downgrade(&self.master), self.uses.clone(), Arc::downgrade(&self.calls));
        let (waiting, idle) = (Arc::downgrade(&self.waiting), self.server.idle);
        tokio::spawn(async move {
            loop {
                let before = uses.load(Ordering::Relaxed);
                tokio::time::sleep(idle).await;
                let Some(master) = master.upgrade() else { return };
                let mut master = master.lock().await;
                let Some(standing) = master.as_mut() else { return };
                // The connection's own, and one for each call.
                let is_idle = calls.strong_count() <= 1 && uses.load(Ordering::Relaxed) == before;
                if is_idle || !standing.running.is_running() {
                    if let Some(waiting) = waiting.upgrade() {
                        waiting.end().await;
                    }
                    standing.running.end().await;
                    *master = None;
                    return;
                }
            }
        });
    }
}
