//! Durations and sizes as people write them in the config: `24h`, `50MiB`, or plain seconds and bytes.

/// What may be written for a duration.
pub const DURATION_FORM: &str = "a duration: seconds (86400), or a number with s, min, h or d (24h, 7d)";

/// What may be written for a size.
pub const BYTES_FORM: &str = "a size: bytes (52428800), or a number with KiB, MiB, GiB, TiB, kB, MB, GB or TB (50MiB)";

/// Seconds of `90`, `90s`, `5min`, `24h`, `7d`. A lone `m` is refused: it could be a month.
pub fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Bytes of `52428800`, `50MiB`, `2 TB`. A lone `M` is refused: it could mean either.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text.get(..end)?.parse().ok()?;
    Some((number, text.get(end..)?.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("90", Some(90))]
    #[case("90s", Some(90))]
    #[case("5min", Some(300))]
    #[case("24h", Some(86_400))]
    #[case("7 d", Some(604_800))]
    #[case("5m", None)]
    #[case("h", None)]
    #[case("-1h", None)]
    #[case("1.5h", None)]
    #[case("99999999999999999999", None)]
    #[case("999999999999999999d", None)]
    fn durations(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(seconds(text), expected);
    }

    #[rstest]
    #[case("50MiB", Some(52_428_800))]
    #[case("2 TB", Some(2_000_000_000_000))]
    #[case("1024", Some(1024))]
    #[case("1kB", Some(1000))]
    #[case("50M", None)]
    #[case("MiB", None)]
    #[case("99999999TiB", None)]
    fn sizes(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(bytes(text), expected);
    }
}
