//! The workstation's local time, for bandwidth windows. The one place that asks the time zone.

use domain::bandwidth::LocalTime;
use domain::timestamp::Timestamp;

/// Local time of a moment, by the system's time zone; UTC where that cannot be read.
pub fn local_time(at: Timestamp) -> LocalTime {
    let zone = jiff::tz::TimeZone::system();
    let offset = jiff::Timestamp::from_second(at.unix_seconds()).map_or(0, |moment| zone.to_offset(moment).seconds());
    LocalTime::from_unix(at.unix_seconds(), offset)
}
