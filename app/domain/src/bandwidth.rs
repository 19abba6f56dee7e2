//! Upload limits by schedule (docs/proof.md). Pure: the caller knows the workstation's local time.
//!
//! A window is taken literally, `from <= t < to` on its days: one over midnight is written as two. The config refuses
//! `from >= to`, because such a window would never hold and a limit that never holds is not what its writer meant.

/// Day of the week, as the config writes it: `mon` to `sun`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// All days, Monday first.
    pub const ALL: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

    /// As the config writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Day::Mon => "mon",
            Day::Tue => "tue",
            Day::Wed => "wed",
            Day::Thu => "thu",
            Day::Fri => "fri",
            Day::Sat => "sat",
            Day::Sun => "sun",
        }
    }
}

/// Seconds since midnight of a `HH:MM`, `24:00` included; the error is a sentence.
///
/// `24:00` makes sense only as an end.
pub fn parse_time_of_day(text: &str) -> Result<u32, String> {
    let two_digits = |digits: &str| -> Option<u32> {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok())?
    };
    let parts = text.split_once(':').and_then(|(hour, minute)| Some((two_digits(hour)?, two_digits(minute)?)));
    match parts {
        Some((hour @ 0..=23, minute @ 0..=59)) => Ok(hour * 3_600 + minute * 60),
        Some((24, 0)) => Ok(SECONDS_PER_DAY),
        _ => Err(format!("{text:?} is not a time of day: write it as \"HH:MM\", from \"00:00\" to \"24:00\"")),
    }
}

const SECONDS_PER_DAY: u32 = 86_400;

/// Workstation time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalTime {
    /// Day of the week.
    pub day: Day,
    /// Seconds since local midnight.
    pub second_of_day: u32,
}

impl LocalTime {
    /// From seconds since the epoch and the workstation's offset then, in seconds east of UTC.
    pub fn from_unix(seconds: i64, utc_offset_seconds: i32) -> LocalTime {
        let local = seconds.saturating_add(i64::from(utc_offset_seconds));
        let per_day = i64::from(SECONDS_PER_DAY);
        // 1970-01-01 was a Thursday.
        let weekday = (local.div_euclid(per_day) + 3).rem_euclid(7);
        let day = usize::try_from(weekday).ok().and_then(|n| Day::ALL.get(n)).copied().unwrap_or(Day::Mon);
        LocalTime { day, second_of_day: u32::try_from(local.rem_euclid(per_day)).unwrap_or(0) }
    }
}

/// One window of `bandwidth.schedule`: `from <= t < to`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    /// On these days.
    pub days: Vec<Day>,
    /// Seconds since midnight, inclusive.
    pub from_second: u32,
    /// Seconds since midnight, exclusive; `24:00` is allowed.
    pub to_second: u32,
}

impl Window {
    /// True inside the window.
    pub fn holds(&self, now: LocalTime) -> bool {
        self.days.contains(&now.day) && (self.from_second..self.to_second).contains(&now.second_of_day)
    }
}

/// `transport.bandwidth`
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Bandwidth {
    /// Megabits per second; `None` is unlimited.
    pub upload_mbps: Option<f64>,
    /// When the limit holds; empty is always.
    pub schedule: Vec<Window>,
}

impl Bandwidth {
    /// The limit now in KiB/s; `None` is unlimited.
    pub fn kib_per_second(&self, now: LocalTime) -> Option<u64> {
        let mbps = self.upload_mbps?;
        let holds = self.schedule.is_empty() || self.schedule.iter().any(|window| window.holds(now));
        // The cast saturates, and takes what is no number for 0: a limit is never lifted by a bad value.
        holds.then(|| ((mbps * 128.0).round_ties_even() as u64).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Vectors {
        schedule: WindowVector,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct WindowVector {
        days: Vec<String>,
        from: String,
        to: String,
    }

    #[derive(Deserialize)]
    struct Case {
        upload_mbps: Option<f64>,
        schedule: bool,
        local: Timestamp,
        kibps: Option<u64>,
    }

    fn window(days: Vec<Day>, from: &str, to: &str) -> Window {
        let second = |text| parse_time_of_day(text).unwrap();
        Window { days, from_second: second(from), to_second: second(to) }
    }

    #[test]
    fn golden_vectors() {
        let vectors: Vectors = serde_json::from_str(include_str!("../tests/fixtures/vectors/bandwidth.json")).unwrap();
        let WindowVector { days, from, to } = vectors.schedule;
        let days = Day::ALL.into_iter().filter(|day| days.iter().any(|text| text == day.as_str())).collect();
        let window = window(days, &from, &to);
        assert!(vectors.cases.len() > 20);
        for case in vectors.cases {
            let schedule = if case.schedule { vec![window.clone()] } else { Vec::new() };
            let now = LocalTime::from_unix(case.local.unix_seconds(), 0);
            let limit = Bandwidth { upload_mbps: case.upload_mbps, schedule }.kib_per_second(now);
            assert_eq!(limit, case.kibps, "{:?} {} {}", case.upload_mbps, case.schedule, case.local);
        }
    }

    #[rstest]
    #[case(0.5 / 128.0, 1)]
    #[case(1.5 / 128.0, 2)]
    #[case(2.5 / 128.0, 2)]
    #[case(3.5 / 128.0, 4)]
    #[case(0.0, 1)]
    #[case(-5.0, 1)]
    #[case(f64::NAN, 1)]
    #[case(f64::INFINITY, u64::MAX)]
    fn rounds_half_to_even_and_never_stops(#[case] mbps: f64, #[case] kib: u64) {
        let now = LocalTime { day: Day::Mon, second_of_day: 0 };
        assert_eq!(Bandwidth { upload_mbps: Some(mbps), schedule: Vec::new() }.kib_per_second(now), Some(kib));
    }

    #[rstest]
    #[case("00:00", Some(0))]
    #[case("08:30", Some(30_600))]
    #[case("23:59", Some(86_340))]
    #[case("24:00", Some(86_400))]
    #[case("24:01", None)]
    #[case("25:00", None)]
    #[case("12:60", None)]
    #[case("8:30", None)]
    #[case("08:30:00", None)]
    #[case("+8:30", None)]
    #[case("0830", None)]
    #[case("", None)]
    #[case("٠٨:٣٠", None)]
    fn times_of_day(#[case] text: &str, #[case] seconds: Option<u32>) {
        assert_eq!(parse_time_of_day(text).ok(), seconds);
    }

    #[test]
    fn a_window_until_midnight_holds_in_the_last_second_and_no_longer() {
        let window = window(vec![Day::Fri], "22:00", "24:00");
        assert!(window.holds(LocalTime { day: Day::Fri, second_of_day: 86_399 }));
        assert!(!window.holds(LocalTime { day: Day::Sat, second_of_day: 0 }));
    }

    #[rstest]
    #[case("1970-01-01T00:00:00Z", 0, Day::Thu, 0)]
    #[case("2026-04-17T23:30:00Z", 7_200, Day::Sat, 5_400)]
    #[case("2026-04-17T01:00:00Z", -18_000, Day::Thu, 72_000)]
    #[case("1969-12-31T23:59:59Z", 0, Day::Wed, 86_399)]
    fn local_times(#[case] utc: &str, #[case] offset: i32, #[case] day: Day, #[case] second_of_day: u32) {
        let at = Timestamp::parse(utc).unwrap().unix_seconds();
        assert_eq!(LocalTime::from_unix(at, offset), LocalTime { day, second_of_day });
    }

    proptest! {
        #[test]
        fn any_instant_has_a_local_time(seconds in any::<i64>(), offset in any::<i32>()) {
            prop_assert!(LocalTime::from_unix(seconds, offset).second_of_day < SECONDS_PER_DAY);
        }

        #[test]
        fn a_limit_is_never_zero(mbps in any::<f64>()) {
            let now = LocalTime { day: Day::Mon, second_of_day: 0 };
            let limit = Bandwidth { upload_mbps: Some(mbps), schedule: Vec::new() }.kib_per_second(now);
            prop_assert!(limit >= Some(1));
        }
    }
}
