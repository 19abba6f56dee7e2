//! What needs an operator, gravest first, each with the way out and a link to the runs it is about.

use crate::lists::query::ViewQuery;
use crate::parts::{Go, Icon};
use crate::words::{self, Tone};
use domain::api::{AttentionItem, AttentionKind, Overview};
use leptos::prelude::*;

/// Where the runs are shown that an item is about, mostly a view of the staging table; `None` when no run is concerned.
pub fn href(item: &AttentionItem) -> Option<String> {
    let query = ViewQuery { equipment: item.equipment_id.clone(), ..ViewQuery::default() };
    match item.kind {
        _ if item.runs == 0 => None,
        AttentionKind::Staging | AttentionKind::Paused => None,
        AttentionKind::ClearedDamaged => Some("/cleared".to_owned()),
        AttentionKind::Disk => Some(ViewQuery { states: vec!["sync_verified".to_owned()], ..query }.href()),
        kind => Some(ViewQuery { why: Some(kind), ..query }.href()),
    }
}

fn look(kind: AttentionKind) -> (Tone, &'static str) {
    match kind {
        AttentionKind::Staging | AttentionKind::ClearedDamaged | AttentionKind::Rest => (Tone::Bad, "alert"),
        AttentionKind::Failed => (Tone::Bad, "failed"),
        AttentionKind::Blocked => (Tone::Bad, "blocked"),
        AttentionKind::Unreadable => (Tone::Bad, "unreadable"),
        AttentionKind::Destination | AttentionKind::ClearWaits | AttentionKind::Silent => (Tone::Warn, "waiting"),
        AttentionKind::Late => (Tone::Warn, "late"),
        AttentionKind::Disk => (Tone::Warn, "alert"),
        AttentionKind::Paused => (Tone::Warn, "paused"),
    }
}

/// The list, or that there is nothing to do.
#[component]
pub fn Attention(overview: RwSignal<Option<Overview>>) -> impl IntoView {
    let items = Memo::new(move |_| {
        overview.with(|overview| overview.as_ref().map(|known| known.attention.clone()).unwrap_or_default())
    });
    let list = move || {
        let items = items.get();
        if items.is_empty() {
            return view! {
                <p class="note">
                    <Icon name="check" />
                    <span>"Nothing needs you. What is in work goes on by itself."</span>
                </p>
            }
            .into_any();
        }
        view! { <ul class="attention-list">{items.into_iter().map(line).collect_view()}</ul> }.into_any()
    };
    view! {
        <section class="panel block" aria-labelledby="attention-title">
            <h2 id="attention-title">"Needs you"</h2>
            <div aria-live="polite">{list}</div>
        </section>
    }
}

fn line(item: AttentionItem) -> impl IntoView {
    let (tone, icon) = look(item.kind);
    let link = href(&item).map(|href| {
        let runs = words::counted(item.runs, "run", "runs");
        let about = format!(": {}", words::reason(item.kind).to_lowercase());
        view! {
            <Go href=href class="button small">
                {format!("Show {runs}")}
                <span class="sr-only">{about}</span>
            </Go>
        }
    });
    view! {
        <li class=format!("attention-item {}", tone.class())>
            <Icon name=icon />
            <div class="attention-text">
                <p class="path">
                    <strong>{item.message}</strong>
                </p>
                <p class="muted">{item.remedy}</p>
            </div>
            {link}
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(AttentionKind::Failed, 2, None, Some("/staging?why=failed"))]
    #[case(AttentionKind::Destination, 1, Some("A 1"), Some("/staging?equipment=A%201&why=destination"))]
    #[case(AttentionKind::Destination, 0, Some("A"), None)]
    #[case(AttentionKind::Disk, 3, None, Some("/staging?state=sync_verified"))]
    #[case(AttentionKind::Paused, 0, None, None)]
    #[case(AttentionKind::ClearedDamaged, 1, None, Some("/cleared"))]
    fn every_item_leads_to_its_runs(
        #[case] kind: AttentionKind,
        #[case] runs: u64,
        #[case] equipment: Option<&str>,
        #[case] expected: Option<&str>,
    ) {
        let equipment_id = equipment.map(str::to_owned);
        let item = AttentionItem { kind, runs, equipment_id, message: String::new(), remedy: String::new() };
        assert_eq!(href(&item).as_deref(), expected);
    }
}
