//! Every condition of clearing with its value: the same list in dialog and detail page, as in command line and REST.

use crate::parts::Icon;
use domain::api::{ClearPlan, Condition};
use leptos::prelude::*;

fn item(condition: Condition) -> impl IntoView {
    let (icon, tone, said) = match (condition.holds, condition.automatic_only) {
        (true, _) => ("check", "tone-good", "Holds: "),
        (false, false) => ("cross", "tone-bad", "Does not hold: "),
        (false, true) => ("cross", "tone-idle", "Does not hold: "),
    };
    view! {
        <li class=format!("condition {tone}")>
            <Icon name=icon />
            <span class="condition-title">
                <span class="sr-only">{said}</span>
                {condition.title}
            </span>
            <span class="condition-value">{condition.value}</span>
        </li>
    }
}

/// The conditions of a plan: first what the operator's own clear needs, then what only clearing by itself needs.
#[component]
pub fn Conditions(
    plan: ClearPlan,
    /// Whether the second part is unfolded.
    #[prop(default = false)]
    unfolded: bool,
) -> impl IntoView {
    let (automatic, needed): (Vec<_>, Vec<_>) =
        plan.conditions.into_iter().partition(|condition| condition.automatic_only);
    let lacking = automatic.iter().filter(|condition| !condition.holds).count();
    let summary = if lacking == 0 {
        "Clearing by itself: every further condition holds".to_owned()
    } else {
        format!("Clearing by itself: {lacking} of {} further conditions do not hold", automatic.len())
    };
    view! {
        <ul class="conditions">{needed.into_iter().map(item).collect_view()}</ul>
        {(!automatic.is_empty())
            .then(|| {
                view! {
                    <details class="conditions-more" open=unfolded>
                        <summary>{summary}</summary>
                        <ul class="conditions">{automatic.into_iter().map(item).collect_view()}</ul>
                    </details>
                }
            })}
    }
}
