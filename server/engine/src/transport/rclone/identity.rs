//! Reading and writing the marker.

use super::Place;
use super::classify;
use super::session::Session;
use crate::transport::rules::layout::{MARKER, TEMPORARY};
use crate::transport::{CallContext, Marker, TransportError};
use domain::job::FailureClass;
use std::sync::Arc;

/// Reads the marker.
pub(super) async fn read(place: &Arc<Place>, context: &CallContext) -> Result<Marker, TransportError> {
    Marker::read(&Session::open_marked(place, context).await?.marker, &place.describe())
}

/// Writes the marker, and the root when it is not there.
pub(super) async fn write(
    place: &Arc<Place>,
    marker: &Marker,
    replace: bool,
    context: &CallContext,
) -> Result<(), TransportError> {
    let session = Session::open(place, context).await?;
    if !marker.must_be_written(&session.marker, replace, &place.describe())? {
        return Ok(());
    }
    session.call("mkdir", format!("making {}", place.describe())).operands([session.at(b"")]).ask(context).await?;
    // Now the root is there, and can be compared.
    session.refuse_staging().await?;
    put(&session, marker, replace, context).await?;
    match Session::open_marked(place, context).await {
        Ok(session) => marker.stands(&session.marker, &place.describe()),
        Err(error) => {
            if session.marker.is_empty() && error.class == FailureClass::DestinationForeign {
                let call = session.call("deletefile", "taking the marker back");
                call.operands([session.at(MARKER.as_bytes())]).ask(context).await?;
            }
            Err(error)
        }
    }
}

/// Puts the marker under its name: replacing only when asked to.
async fn put(session: &Session, marker: &Marker, replace: bool, context: &CallContext) -> Result<(), TransportError> {
    let temporary = format!("{TEMPORARY}/identity-{}", uuid::Uuid::new_v4().simple());
    let what = format!("writing the marker of {}", session.place.describe());
    session
        .write("rcat", what.as_str())
        .operands([session.at(temporary.as_bytes())])
        .input(marker.text())
        .ask(context)
        .await?;
    let how = if replace { "--ignore-times" } else { "--ignore-existing" };
    let places = [session.at(temporary.as_bytes()), session.at(MARKER.as_bytes())];
    let moved = session.write("moveto", what.as_str()).arg(how).operands(places).collect(context).await;
    // Where it was not moved, since another was quicker, it is in nobody's way.
    let tidied =
        session.call("deletefile", "tidying").operands([session.at(temporary.as_bytes())]).collect(context).await;
    let (ended, _) = moved?;
    tidied?;
    if ended.success() { Ok(()) } else { Err(classify::rclone(&ended, &what)) }
}
