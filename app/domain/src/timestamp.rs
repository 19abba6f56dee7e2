//! Points in time as the documents write them: UTC, whole seconds, `YYYY-MM-DDTHH:MM:SSZ`.
//!
//! Not a clock: nothing here knows what time it is. The engine's clock is the one place that reads it.

use jiff::SignedDuration;
use jiff::civil::{Date, date};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Seconds since 1970-01-01T00:00:00Z. Written as `YYYY-MM-DDTHH:MM:SSZ`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(i64);

/// The text was no timestamp that a document may hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a time; write it as YYYY-MM-DDTHH:MM:SSZ")]
pub struct NotATimestamp(pub String);

/// Dates and days alone: a point in time of the library ends a day before the last one that a document may hold.
const EPOCH: Date = date(1970, 1, 1);
const LATEST: i64 = 253_402_300_799; // 9999-12-31T23:59:59Z
const EARLIEST: i64 = -62_135_596_800; // 0001-01-01T00:00:00Z

impl Timestamp {
    /// From seconds since the epoch; clamped to the years 1 to 9999, so that writing never fails.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.clamp(EARLIEST, LATEST))
    }

    /// Seconds since the epoch.
    pub fn unix_seconds(self) -> i64 {
        self.0
    }

    /// Reads `YYYY-MM-DD[T ]HH:MM[:SS[.frac]][Z|±HH[:]MM]`. A naive time is UTC; fractions are cut.
    pub fn parse(text: &str) -> Result<Self, NotATimestamp> {
        parse(text.trim()).ok_or_else(|| NotATimestamp(text.to_owned()))
    }

    /// This many seconds later (earlier when negative), within the years 1 to 9999.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_unix_seconds(self.0.saturating_add(seconds))
    }

    /// Whole seconds from `earlier` until `self`; negative when `self` is before it.
    pub fn seconds_since(self, earlier: Timestamp) -> i64 {
        self.0 - earlier.0
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < 16 {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let separators =
        bytes[4] == b'-' && bytes[7] == b'-' && matches!(bytes[10], b'T' | b't' | b' ') && bytes[13] == b':';
    if !separators {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute) = (number(11, 13)?, number(14, 16)?);
    let mut at = 16;
    let mut second = 0;
    if bytes.get(at) == Some(&b':') {
        second = number(17, 19)?;
        at = 19;
        if matches!(bytes.get(at), Some(b'.' | b',')) {
            let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            at += 1 + digits;
        }
    }
    let offset = parse_offset(&text[at..])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let date = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let seconds = date.duration_since(EPOCH).as_secs() + hour * 3_600 + minute * 60 + second - offset;
    (EARLIEST..=LATEST).contains(&seconds).then_some(Timestamp(seconds))
}

/// Seconds east of UTC; nothing is UTC.
fn parse_offset(text: &str) -> Option<i64> {
    if text.is_empty() || text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match text.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let two_digits = |part: &str| -> Option<i64> {
        let plain = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| part.parse().ok())?
    };
    let (hours, minutes) = text[1..].split_at_checked(2)?;
    let minutes = match minutes.strip_prefix(':').unwrap_or(minutes) {
        "" if minutes.is_empty() => 0,
        minutes => two_digits(minutes)?,
    };
    let hours = two_digits(hours)?;
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        // Every value is clamped to years that a date can hold, so the fallback is never reached.
        let date = EPOCH.checked_add(SignedDuration::from_hours(days * 24)).unwrap_or(Date::MAX);
        let (year, month, day) = (date.year(), date.month(), date.day());
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("2026-04-17T14:35:00Z", "2026-04-17T14:35:00Z")]
    #[case("2026-04-17T16:35:00+02:00", "2026-04-17T14:35:00Z")]
    #[case("2026-04-17T09:05:00-0530", "2026-04-17T14:35:00Z")]
    #[case("2026-04-17T14:35:00", "2026-04-17T14:35:00Z")]
    #[case("2026-04-17 14:35:00.999999+00:00", "2026-04-17T14:35:00Z")]
    #[case("2026-04-17T14:35", "2026-04-17T14:35:00Z")]
    #[case("2026-04-17T16:35+02", "2026-04-17T14:35:00Z")]
    #[case("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00Z")]
    fn reads(#[case] text: &str, #[case] written: &str) {
        assert_eq!(Timestamp::parse(text).unwrap().to_string(), written);
    }

    #[rstest]
    #[case("")]
    #[case("bad")]
    #[case("next week")]
    #[case("2026-02-30T00:00:00Z")]
    #[case("2026-04-17T24:00:00Z")]
    #[case("2026-04-17T14:35:00.Z")]
    #[case("2026-04-17T14:35:00+2")]
    #[case("2026-04-17T14:35:00+02:")]
    #[case("2026-04-17T14:35:00+0:200")]
    #[case("2026-04-17T14:35:00+24:00")]
    #[case("2026-04-17T14:35:00 UTC")]
    #[case("２026-04-17T14:35:00Z")]
    fn refuses(#[case] text: &str) {
        assert!(Timestamp::parse(text).is_err());
    }

    #[rstest]
    #[case(LATEST, "9999-12-31T23:59:59Z")]
    #[case(LATEST - 86_400, "9999-12-30T23:59:59Z")]
    #[case(i64::MAX, "9999-12-31T23:59:59Z")]
    #[case(EARLIEST, "0001-01-01T00:00:00Z")]
    #[case(i64::MIN, "0001-01-01T00:00:00Z")]
    #[case(-1, "1969-12-31T23:59:59Z")]
    fn the_ends_are_written_and_read(#[case] seconds: i64, #[case] written: &str) {
        let at = Timestamp::from_unix_seconds(seconds);
        assert_eq!((at.to_string().as_str(), Timestamp::parse(written)), (written, Ok(at)));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in EARLIEST..=LATEST) {
            let at = Timestamp::from_unix_seconds(seconds);
            prop_assert_eq!(Timestamp::parse(&at.to_string()), Ok(at));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = Timestamp::parse(&text);
        }
    }
}
