//! Bytes, times and rates in units people use; the same in panel, command line and log.

const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// `45.0 GiB`; negative is `0 B`. Steps of 1024, one decimal, no unit above PiB.
pub fn bytes(count: i64) -> String {
    if count < 1024 {
        return format!("{} B", count.max(0));
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

/// [`bytes`] of an unsigned count, as rows carry them.
pub fn bytes_u64(count: u64) -> String {
    bytes(i64::try_from(count).unwrap_or(i64::MAX))
}

/// `2d 3h`: the two largest units, cut, not rounded; negative is `0s`.
pub fn elapsed(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m {}s", seconds % 60),
        3_600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// `12.3 MiB/s`
pub fn rate(bytes_per_second: u64) -> String {
    format!("{}/s", bytes_u64(bytes_per_second))
}

/// `1,234,567`
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 name is`, `1,234 names are`: a count with the words that follow it.
pub fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// `1 file`, `1,234 files`: a count with its noun, of nouns whose plural takes an `s`.
pub fn counted(n: u64, noun: &str) -> String {
    plural(n, noun, &format!("{noun}s"))
}

/// Whole percent, 0 to 100, cut: 100 only when everything is done. Nothing of nothing is done.
pub fn percent(done: u64, total: u64) -> u8 {
    if done >= total {
        return 100;
    }
    u8::try_from(u128::from(done) * 100 / u128::from(total)).unwrap_or(99)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use std::collections::BTreeMap;

    #[derive(serde::Deserialize)]
    struct Vectors {
        bytes: BTreeMap<i64, String>,
        elapsed: BTreeMap<i64, String>,
    }

    #[test]
    fn golden_vectors() {
        let vectors: Vectors = serde_json::from_str(include_str!("../tests/fixtures/vectors/ui_format.json")).unwrap();
        assert!(vectors.bytes.len() > 5 && vectors.elapsed.len() > 5);
        for (n, text) in vectors.bytes {
            assert_eq!(bytes(n), text, "{n}");
        }
        for (n, text) in vectors.elapsed {
            assert_eq!(elapsed(n), text, "{n}");
        }
    }

    #[rstest]
    #[case(0, "0")]
    #[case(7, "7")]
    #[case(999, "999")]
    #[case(1_000, "1,000")]
    #[case(12_345, "12,345")]
    #[case(1_234_567, "1,234,567")]
    #[case(u64::MAX, "18,446,744,073,709,551,615")]
    fn counts(#[case] n: u64, #[case] text: &str) {
        assert_eq!(count(n), text);
    }

    #[test]
    fn rates_and_nouns() {
        assert_eq!(rate(12_897_485), "12.3 MiB/s");
        assert_eq!(rate(u64::MAX), "8192.0 PiB/s");
        assert_eq!(
            (counted(0, "file"), counted(1, "file"), counted(1_200, "file")),
            ("0 files".into(), "1 file".into(), "1,200 files".into())
        );
    }

    #[rstest]
    #[case(0, 0, 100)]
    #[case(0, 3, 0)]
    #[case(1, 3, 33)]
    #[case(999, 1_000, 99)]
    #[case(5, 5, 100)]
    #[case(6, 5, 100)]
    #[case(u64::MAX - 1, u64::MAX, 99)]
    fn percents(#[case] done: u64, #[case] total: u64, #[case] expected: u8) {
        assert_eq!(percent(done, total), expected);
    }

    proptest! {
        #[test]
        fn any_number_is_shown(n in any::<i64>(), u in any::<u64>()) {
            prop_assert!(!bytes(n).contains('-') && !elapsed(n).contains('-'));
            prop_assert_eq!(count(u).replace(',', ""), u.to_string());
        }
    }
}
