//! The strip above the table: what stops everything, then the disk and the destinations.

use super::gauge::{Gauge, is_tight};
use crate::parts::when::utc;
use crate::parts::{Icon, WordTag};
use crate::store::use_store;
use crate::words::{Tone, Word, bytes, counted};
use domain::api::{DestinationHealth, DestinationView, PanelStatus};
use domain::finding::Rule;
use domain::settings::StagingCleanup;
use leptos::prelude::*;

/// How a destination does, in a word.
pub fn health(destination: &DestinationView) -> Word {
    let (tone, icon, text) = match destination.health {
        DestinationHealth::Reachable => (Tone::Good, "verified", "Reachable"),
        DestinationHealth::Unreachable => (Tone::Warn, "waiting", "Unreachable"),
        DestinationHealth::Foreign => (Tone::Bad, "alert", "Not ours"),
        DestinationHealth::Unknown if destination.transport == "none" => (Tone::Idle, "off", "Not synced from here"),
        DestinationHealth::Unknown => (Tone::Idle, "hourglass", "Not asked yet"),
    };
    Word { tone, icon, text: text.to_owned() }
}

/// Banners, disk, destinations.
#[component]
pub fn Strip() -> impl IntoView {
    let store = use_store();
    // Views are made of a copy: making one under `with` would hold the status's lock while new values take theirs.
    view! {
        {move || {
            store.status.get().as_ref().map(banners)
        }}
        {move || store.problem.get().map(|problem| banner(Tone::Bad, "alert", "The list is out of date.", problem.message))}
        <div class="strip">
            <section class="panel disk" aria-label="Staging disk">{move || store.status.get().as_ref().map(disk)}</section>
            <section class="panel destinations" aria-label="Destinations">
                {move || store.status.get().as_ref().map(destinations)}
            </section>
        </div>
    }
}

fn banner(tone: Tone, icon: &'static str, head: &'static str, text: String) -> AnyView {
    view! {
        <div class=format!("banner {}", tone.class()) role="status">
            <Icon name=icon />
            <p>
                <strong>{head}</strong>
                " "
                {text}
            </p>
        </div>
    }
    .into_any()
}

fn banners(status: &PanelStatus) -> impl IntoView + use<> {
    let staging = status.staging_error.clone().map(|error| {
        banner(
            Tone::Bad,
            "alert",
            "The staging tree cannot be worked on.",
            format!("{error} The rows are the last known ones; nothing is forgotten."),
        )
    });
    let state = status.state_error.clone().map(|error| {
        let text = format!("{error}. Until then nothing is sent or recorded, and nothing is lost.");
        banner(Tone::Bad, "alert", "The disk of the state folder is full.", text)
    });
    let paused = status.queue_paused.then(|| {
        banner(
            Tone::Warn,
            "paused",
            "The queue is paused.",
            "Set sync.enabled to true in the config file and restart to go on.".to_owned(),
        )
    });
    let starting = (!status.ready)
        .then(|| banner(Tone::Busy, "working", "Starting.", "The staging tree is still being read.".to_owned()));
    (state, staging, paused, starting, unrecognised(status))
}

/// Folders that are not runs are never touched, so people must be able to see that they exist.
fn unrecognised(status: &PanelStatus) -> Option<AnyView> {
    let first = status.unrecognised.first()?;
    let count = status.unrecognised.len() as u64;
    let head = match (count, first.rule) {
        (1, Rule::LinkedFolder) => "A link is not followed.",
        (1, Rule::UnreadableFolder) => "A folder cannot be read.",
        (1, _) => "A folder is not a run.",
        _ => "Some folders are not runs, cannot be read, or are links that are not followed.",
    };
    let more = if count > 1 { format!(" {} in all.", counted(count, "folder", "folders")) } else { String::new() };
    Some(banner(Tone::Warn, "alert", head, format!("{}: {}{more}", first.run_path, first.rule_detail)))
}

fn disk(status: &PanelStatus) -> impl IntoView + use<> {
    let cleanup = match status.staging_cleanup {
        StagingCleanup::Manual => "Cleared by operators only".to_owned(),
        StagingCleanup::Scheduled { retain_hours } => format!("Cleared by itself {retain_hours} h after the proof"),
    };
    let Some(disk) = status.disk else {
        return view! { <p class="muted">"The staging disk does not answer."</p> }.into_any();
    };
    let used = disk.total_bytes.saturating_sub(disk.free_bytes);
    let clearable = if disk.clearable_runs == 0 {
        "Nothing can be cleared now".to_owned()
    } else {
        format!("{}, {} can be cleared", counted(disk.clearable_runs, "run", "runs"), bytes(disk.clearable_bytes))
    };
    view! {
        <div class="disk-head">
            <h2>"Staging disk"</h2>
            <p class="disk-free">
                {is_tight(&disk).then(|| view! { <Icon name="alert" /> })}
                <strong>{bytes(disk.free_bytes)}</strong>
                " free"
            </p>
        </div>
        <Gauge disk=disk />
        <p class="disk-legend">
            <span class="key key-used">{bytes(used)} " used of " {bytes(disk.total_bytes)}</span>
            <span class="key key-clearable">{clearable}</span>
            <span class="muted">{cleanup}</span>
        </p>
    }
    .into_any()
}

fn destinations(status: &PanelStatus) -> impl IntoView + use<> {
    // What needs someone stands first; the rest keeps the config's order.
    let mut rows = status.destinations.clone();
    rows.sort_by_key(|destination| !matches!(health(destination).tone, Tone::Warn | Tone::Bad));
    let well = rows.iter().filter(|destination| destination.health == DestinationHealth::Reachable).count();
    let asked = rows.iter().filter(|destination| destination.transport != "none").count();
    view! {
        <div class="disk-head">
            <h2>"Destinations"</h2>
            <p class="muted">{format!("{well} of {asked} reachable")}</p>
        </div>
        <ul class="destination-list" tabindex="0" aria-label="Destinations">{rows.into_iter().map(destination).collect_view()}</ul>
    }
}

fn destination(destination: DestinationView) -> impl IntoView {
    let word = health(&destination);
    let asked = destination.asked_at.map(|at| format!(" · asked {}", utc(at))).unwrap_or_default();
    let again = destination
        .read_again_by
        .map(|at| format!(" · everything there, cleared runs too, is read again by {}", utc(at)))
        .unwrap_or_default();
    let title = format!("{} · {} · {}{asked}{again}", destination.label, destination.transport, destination.target);
    let class = format!("destination {}", word.tone.class());
    view! {
        <li class=class title=title>
            <span class="destination-name">{destination.equipment_id}</span>
            <WordTag word=Signal::stored(word) />
            <span class="destination-more muted">
                {destination.detail.unwrap_or(destination.target)}
            </span>
        </li>
    }
}
