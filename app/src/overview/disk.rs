//! The staging disk: how full, where it is heading, and what clearing would gain.

use crate::chrome::gauge::Gauge;
use crate::lists::query::ViewQuery;
use crate::parts::{Go, Icon};
use crate::words::{bytes, counted};
use domain::api::{DiskOverview, DiskTrend, Overview};
use domain::units;
use leptos::prelude::*;

/// `Fills by 1.2 GiB an hour, over the last 6h 0m.`
fn heading(trend: Option<DiskTrend>) -> (String, String) {
    let Some(trend) = trend else {
        let why = "Not enough history yet: how fast it fills is known ten minutes after the start of the program.";
        return ("Not known yet".to_owned(), why.to_owned());
    };
    let over = units::elapsed(i64::try_from(trend.over_seconds).unwrap_or(i64::MAX));
    let by = format!("{} an hour, over the last {over}", bytes(trend.bytes_per_hour.unsigned_abs()));
    match (trend.bytes_per_hour, trend.seconds_until_full) {
        (0, _) => ("Not at this rate".to_owned(), format!("Its free space has not changed over the last {over}.")),
        (rate, _) if rate < 0 => ("Not at this rate".to_owned(), format!("It empties by {by}.")),
        (_, until) => (until.map_or_else(|| "Not at this rate".to_owned(), days), format!("It fills by {by}.")),
    }
}

/// `3.4 days`; hours below one day, `more than a year` above.
fn days(seconds: u64) -> String {
    match seconds {
        0..3_600 => "Less than an hour".to_owned(),
        3_600..86_400 => counted(seconds / 3_600, "hour", "hours"),
        86_400..31_536_000 => format!("{}.{} days", seconds / 86_400, seconds % 86_400 / 8_640),
        _ => "More than a year".to_owned(),
    }
}

/// The disk.
#[component]
pub fn Disk(overview: RwSignal<Option<Overview>>) -> impl IntoView {
    let disk = Memo::new(move |_| overview.with(|overview| overview.as_ref().and_then(|known| known.disk)));
    let shown = move || match disk.get() {
        Some(disk) => known(disk).into_any(),
        None => view! { <p class="muted">"The staging disk does not answer."</p> }.into_any(),
    };
    view! {
        <section class="panel block overview-disk" aria-labelledby="disk-title">
            <h2 id="disk-title">"Staging disk"</h2>
            {shown}
        </section>
    }
}

fn known(disk: DiskOverview) -> impl IntoView {
    let DiskOverview { gauge, trend } = disk;
    let (until, heading) = heading(trend);
    let tight = gauge.is_tight();
    let verified = ViewQuery { states: vec!["sync_verified".to_owned()], ..ViewQuery::default() }.href();
    let gain = match gauge.clearable_runs {
        0 => view! { <p class="muted">"No run can be cleared now."</p> }.into_any(),
        runs => view! {
            <p>
                <Go href=verified class="button">
                    <Icon name="clear" />
                    {format!("Clear {} to gain {}", counted(runs, "run", "runs"), bytes(gauge.clearable_bytes))}
                </Go>
            </p>
        }
        .into_any(),
    };
    view! {
        <Gauge disk=gauge />
        <dl class="facts">
            <dt>"Free"</dt>
            <dd>
                {tight.then(|| view! { <span class="tone-warn failure"><Icon name="alert" /> "Almost full: "</span> })}
                " "
                <strong>{bytes(gauge.free_bytes)}</strong>
                {format!(" of {}", bytes(gauge.total_bytes))}
            </dd>
            <dt>"Full in"</dt>
            <dd>
                <strong>{until}</strong>
                " "
                <p class="muted">{heading}</p>
            </dd>
        </dl>
        {gain}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn trend(bytes_per_hour: i64, seconds_until_full: Option<u64>) -> Option<DiskTrend> {
        Some(DiskTrend { over_seconds: 7_200, bytes_per_hour, seconds_until_full })
    }

    #[rstest]
    #[case(None, "Not known yet", "Not enough history yet")]
    #[case(trend(2_048, Some(200_000)), "2.3 days", "It fills by 2.0 KiB an hour, over the last 2h 0m")]
    #[case(trend(2_048, Some(7_300)), "2 hours", "It fills")]
    #[case(trend(1, Some(u64::MAX)), "More than a year", "It fills")]
    #[case(trend(-2_048, None), "Not at this rate", "It empties by 2.0 KiB an hour")]
    #[case(trend(0, None), "Not at this rate", "Its free space has not changed")]
    fn where_the_disk_is_heading(#[case] trend: Option<DiskTrend>, #[case] until: &str, #[case] sentence: &str) {
        let (said, heading) = heading(trend);
        assert_eq!(said, until);
        assert!(heading.starts_with(sentence), "{heading}");
    }
}
