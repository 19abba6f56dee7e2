//! Reading and writing the marker.

use super::Place;
use super::session::Session;
use crate::transport::rules::layout::{MARKER, OWN_FOLDER};
use crate::transport::{CallContext, Marker, TransportError};
use domain::job::{FailureClass, Side};
use std::sync::Arc;

/// Reads the marker.
pub(super) async fn read(place: &Arc<Place>, context: &CallContext) -> Result<Marker, TransportError> {
    parse(&Session::open_marked(place, context).await?)
}

/// The marker that a session found.
pub(super) fn parse(session: &Session) -> Result<Marker, TransportError> {
    Marker::read(&session.marker, &session.place.describe())
}

/// Writes the marker, and the root when it is not there.
pub(super) async fn write(
    place: &Arc<Place>,
    marker: &Marker,
    replace: bool,
    context: &CallContext,
) -> Result<(), TransportError> {
    let session = match Session::open(place, context).await? {
        Some(session) => session,
        None => make_root(place, context).await?,
    };
    if !marker.must_be_written(&session.marker, replace, &place.describe())? {
        return Ok(());
    }
    let new = put(&session, marker, replace, context).await?;
    // Only now can it be seen whether the staging tree shows it.
    match Session::open(place, context).await {
        Ok(Some(session)) => marker.stands(&session.marker, &place.describe()),
        Ok(None) => {
            Err(TransportError::new(FailureClass::DestinationUnreachable, Side::Destination, "the root went away"))
        }
        Err(error) => {
            if new && error.class == FailureClass::DestinationForeign {
                let script = [b"rm -f ".to_vec(), session.word(MARKER.as_bytes())].concat();
                session.ask(&script, "taking the marker back", context).await?;
            }
            Err(error)
        }
    }
}

async fn make_root(place: &Arc<Place>, context: &CallContext) -> Result<Session, TransportError> {
    let script = [b"mkdir -p -- ".to_vec(), super::quote::shell_word(&place.root_word())].concat();
    let (ended, _) = super::session::collect(&place.connection, &script, context).await?;
    let failed = || super::classify::script(&ended, &format!("making {}", place.describe()));
    Session::open(place, context).await?.ok_or_else(failed)
}

/// Puts the marker under its name: replacing only when asked to. True when there was none before.
async fn put(session: &Session, marker: &Marker, replace: bool, context: &CallContext) -> Result<bool, TransportError> {
    let own = session.word(OWN_FOLDER.as_bytes());
    let place = if replace {
        "mv -f identity.json.tmp identity.json"
    } else {
        "ln identity.json.tmp identity.json; rm -f identity.json.tmp"
    };
    let mut script =
        [b"mkdir -p ".to_vec(), own.clone(), b" && cd -- ".to_vec(), own, b" || exit 1\n".to_vec()].concat();
    script.extend_from_slice(b"printf '%s' ");
    script.extend(super::quote::shell_word(&marker.text()));
    script.extend_from_slice(
        format!(" >identity.json.tmp || exit 1\n{place} || exit 1\n(sync -f . 2>/dev/null || sync)").as_bytes(),
    );
    session.ask(&script, "writing the marker", context).await?;
    Ok(session.marker.is_empty())
}
