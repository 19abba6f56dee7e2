//! What came in, was proven and was cleared, hour by hour: three small bar charts, and the same as a table.

use crate::parts::When;
use crate::words::bytes;
use domain::api::{HourTraffic, Overview};
use domain::timestamp::Timestamp;
use leptos::prelude::*;

/// What a chart shows: its heading, the class of its bars, and which number it takes.
type Series = (&'static str, &'static str, fn(&HourTraffic) -> u64);

const SERIES: [Series; 3] = [
    ("Received", "bar-received", |hour| hour.received_bytes),
    ("Proven on the NAS", "bar-proven", |hour| hour.proven_bytes),
    ("Cleared", "bar-cleared", |hour| hour.cleared_bytes),
];

/// Width of one bar with its gap, and height of the highest, in the units of the picture.
const STEP: u32 = 10;
const HEIGHT: u32 = 48;

/// Height of a bar; any value but 0 is visible.
fn height(value: u64, most: u64) -> u32 {
    if value == 0 || most == 0 {
        return 0;
    }
    u32::try_from(u128::from(value) * u128::from(HEIGHT) / u128::from(most)).unwrap_or(HEIGHT).clamp(2, HEIGHT)
}

/// The charts.
#[component]
pub fn Charts(overview: RwSignal<Option<Overview>>) -> impl IntoView {
    let hours = Memo::new(move |_| {
        overview.with(|overview| overview.as_ref().map(|known| known.hours.clone()).unwrap_or_default())
    });
    let since = Memo::new(move |_| overview.with(|overview| overview.as_ref().map(|known| known.counted_since)));
    let young = move || {
        let (since, first) = (since.get()?, hours.get().first().map(|hour| hour.from)?);
        (since > first)
            .then(|| view! { <p class="muted small">"Counted since the first start, " <When at=since /> "."</p> })
    };
    view! {
        <section class="panel block" aria-labelledby="traffic-title">
            <h2 id="traffic-title">"The last 24 hours"</h2>
            <div class="charts">
                {SERIES.map(|series| view! { {move || chart(series, &hours.get())} }).collect_view()}
            </div>
            {young}
            <details>
                <summary>"The same as a table"</summary>
                <div class="listing" tabindex="0" role="region" aria-label="Table of the hours">
                    <table class="plain">
                        <thead>
                            <tr>
                                <th scope="col">"Hour from"</th>
                                {SERIES.map(|(name, ..)| view! { <th scope="col" class="number">{name}</th> }).collect_view()}
                            </tr>
                        </thead>
                        <tbody>{move || hours.get().into_iter().rev().map(line).collect_view()}</tbody>
                    </table>
                </div>
            </details>
        </section>
    }
}

fn chart((name, class, value): Series, hours: &[HourTraffic]) -> impl IntoView + use<> {
    let most = hours.iter().map(value).max().unwrap_or(0);
    let total = hours.iter().map(value).fold(0, u64::saturating_add);
    let width = STEP * u32::try_from(hours.len()).unwrap_or(24);
    let told = if total == 0 {
        "nothing in the last 24 hours".to_owned()
    } else {
        format!("{} in 24 hours, at most {} in one", bytes(total), bytes(most))
    };
    let bars = hours.iter().zip(0_u32..).map(|(hour, at)| {
        let tall = height(value(hour), most);
        view! { <rect class=class x=at * STEP + 1 y=HEIGHT - tall width=STEP - 2 height=tall></rect> }
    });
    let bars = bars.collect_view();
    view! {
        <figure class="chart">
            <figcaption>
                <strong>{name}</strong>
                <span class="muted">{if total == 0 { "Nothing".to_owned() } else { bytes(total) }}</span>
            </figcaption>
            <svg viewBox=format!("0 0 {width} {}", HEIGHT + 1) preserveAspectRatio="none" role="img" aria-label=format!("{name}: {told}")>
                <rect class="bar-ground" x="0" y=HEIGHT width=width height="1"></rect>
                {bars}
            </svg>
            <p class="muted small">{if total == 0 { "None in any hour".to_owned() } else { format!("At most {} in an hour", bytes(most)) }}</p>
        </figure>
    }
}

fn line(hour: HourTraffic) -> impl IntoView {
    let from: Timestamp = hour.from;
    view! {
        <tr>
            <td class="nowrap">
                <When at=from />
            </td>
            {SERIES.map(|(_, _, value)| view! { <td class="number">{bytes(value(&hour))}</td> }).collect_view()}
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_never_overflow_and_something_never_looks_like_nothing() {
        assert_eq!((height(0, 0), height(0, 9), height(9, 9)), (0, 0, HEIGHT));
        assert_eq!(height(1, u64::MAX), 2);
        assert_eq!(height(u64::MAX, u64::MAX), HEIGHT);
        assert_eq!(height(9, 3), HEIGHT);
    }
}
