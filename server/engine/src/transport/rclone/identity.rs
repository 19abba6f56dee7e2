//! Reading and writing the marker.

use super::Place;
use super::classify;
use super::session::{MARKER, Session};
use crate::transport::{CallContext, Marker, TransportError};
use domain::job::{FailureClass, Side};
use std::sync::Arc;

/// Reads the marker.
pub(super) async fn read(place: &Arc<Place>, context: &CallContext) -> Result<Marker, TransportError> {
    parse(&Session::open_marked(place, context).await?)
}

fn parse(session: &Session) -> Result<Marker, TransportError> {
    serde_json::from_slice(&session.marker).map_err(|error| {
        let message = format!("the marker {}/{MARKER} is none: {error}", session.place.describe());
        TransportError::new(FailureClass::DestinationUnreachable, Side::Destination, message)
    })
}

fn is_same(a: &Marker, b: &Marker) -> bool {
    (&a.installation, &a.equipment) == (&b.installation, &b.equipment)
}

/// Writes the marker, and the root when it is not there.
pub(super) async fn write(place: &Arc<Place>, marker: &Marker, replace: bool, context: &CallContext) -> Result<(), TransportError> {
    let session = Session::open(place, context).await?;
    if !session.marker.is_empty() && !replace {
        let found = parse(&session)?;
        return if is_same(&found, marker) { Ok(()) } else { Err(foreign(&session, &found)) };
    }
    session.call("mkdir", format!("making {}", place.describe())).operands([session.at(b"")]).ask(context).await?;
    // Now the root is there, and can be compared.
    session.refuse_staging().await?;
    put(&session, marker, replace, context).await?;
    match Session::open_marked(place, context).await {
        Ok(session) => {
            let found = parse(&session)?;
            if is_same(&found, marker) { Ok(()) } else { Err(foreign(&session, &found)) }
        }
        Err(error) => {
            if session.marker.is_empty() && error.class == FailureClass::DestinationForeign {
                let call = session.call("deletefile", "taking the marker back");
                call.operands([session.at(MARKER.as_bytes())]).ask(context).await?;
            }
            Err(error)
        }
    }
}

fn foreign(session: &Session, found: &Marker) -> TransportError {
    let message = format!(
        "{} belongs to equipment {} of installation {} on {}",
        session.place.describe(),
        found.equipment,
        found.installation,
        found.host
    );
    TransportError::new(FailureClass::DestinationForeign, Side::Destination, message)
}

/// Puts the marker under its name: replacing only when asked to.
async fn put(session: &Session, marker: &Marker, replace: bool, context: &CallContext) -> Result<(), TransportError> {
    let mut text = serde_json::to_vec_pretty(marker).unwrap_or_default();
    text.push(b'\n');
    let temporary = format!(".exlab-orchestrator/tmp/identity-{}", uuid::Uuid::new_v4().simple());
    let what = format!("writing the marker of {}", session.place.describe());
    session.write("rcat", what.as_str()).operands([session.at(temporary.as_bytes())]).input(text).ask(context).await?;
    let how = if replace { "--ignore-times" } else { "--ignore-existing" };
    let places = [session.at(temporary.as_bytes()), session.at(MARKER.as_bytes())];
    let moved = session.write("moveto", what.as_str()).arg(how).operands(places).collect(context).await;
    // Where it was not moved, since another was quicker, it is in nobody's way.
    let tidied = session.call("deletefile", "tidying").operands([session.at(temporary.as_bytes())]).collect(context).await;
    let (ended, _) = moved?;
    tidied?;
    if ended.success() { Ok(()) } else { Err(classify::rclone(&ended, &what)) }
}
