//! Destinations that take everything and say something else than what is: the reason why there is a doctor.

use async_trait::async_trait;
use domain::job::{FailureClass, Side};
use domain::path::RunPath;
use domain::proof::ProofLevel;
use engine::files::source::RunFolder;
use engine::keep::seal::{Item, SealReader};
use engine::transport::mount::MountTransport;
use engine::transport::{CallContext, HashOutcome, Hashed, Push, Transport, TransportError, Wire};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Every hash is the expected one.
    RepeatsTheSeal,
    /// Where the size fits, the hash is the expected one.
    LooksAtSizesOnly,
    /// No lie: a destination that is poor in names.
    RefusesLineBreaks,
}

pub struct Liar {
    honest: MountTransport,
    lie: Lie,
}

impl Liar {
    pub fn new(honest: MountTransport, lie: Lie) -> Liar {
        Liar { honest, lie }
    }

    fn colour(&self, honest: Hashed, expected: HashOutcome) -> Hashed {
        let size =
            |outcome: &HashOutcome| if let HashOutcome::Digest { size, .. } = outcome { Some(*size) } else { None };
        let lies = match self.lie {
            Lie::RepeatsTheSeal => true,
            Lie::LooksAtSizesOnly => size(&honest.outcome) == size(&expected),
            Lie::RefusesLineBreaks => false,
        };
        if lies { Hashed { outcome: expected, ..honest } } else { honest }
    }
}

#[async_trait]
impl Transport for Liar {
    fn describe(&self) -> String {
        self.honest.describe()
    }

    fn method(&self) -> String {
        "trust me".into()
    }

    async fn open(&self, context: &CallContext) -> Result<Box<dyn Wire>, TransportError> {
        self.honest.open(context).await
    }

    async fn open_to_mark(&self, make: bool, context: &CallContext) -> Result<Box<dyn Wire>, TransportError> {
        self.honest.open_to_mark(make, context).await
    }

    fn hashes_while_pushing(&self) -> bool {
        self.honest.hashes_while_pushing()
    }

    async fn push(&self, push: Push<'_>, context: &CallContext) -> Result<(), TransportError> {
        let odd = |item: &Item| item.path().as_bytes().contains(&b'\n');
        if self.lie == Lie::RefusesLineBreaks && push.listing.items()?.any(|item| item.as_ref().is_ok_and(odd)) {
            return Err(TransportError::new(FailureClass::Configuration, Side::Destination, "no such names here"));
        }
        self.honest.push(push, context).await
    }

    async fn hashes(
        &self,
        run: &RunPath,
        seal: &SealReader,
        source: Option<&RunFolder>,
        found: &mut (dyn FnMut(Hashed) + Send),
        context: &CallContext,
    ) -> Result<(), TransportError> {
        let mut sealed = seal.files()?;
        let mut coloured = |honest: Hashed| {
            let file = sealed.next().unwrap().unwrap();
            let expected = HashOutcome::Digest { digest: file.digest, size: file.stat.size, level: ProofLevel::L3 };
            found(self.colour(honest, expected));
        };
        self.honest.hashes(run, seal, source, &mut coloured, context).await
    }
}
