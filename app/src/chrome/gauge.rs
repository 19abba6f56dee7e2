//! The staging disk as a bar: used, of that clearable, free. Patterns and a sentence say the same as the colours.

use crate::words::bytes;
use domain::api::DiskGauge;
use leptos::prelude::*;

/// Parts of a thousand: used and not clearable, clearable. The rest is free. Rounded so that something never looks like
/// nothing.
pub fn parts(disk: &DiskGauge) -> (u32, u32) {
    let total = u128::from(disk.total_bytes.max(1));
    let used = u128::from(disk.total_bytes.saturating_sub(disk.free_bytes));
    let clearable = u128::from(disk.clearable_bytes).min(used);
    let permille = |part: u128| {
        let exact = u32::try_from(part * 1_000 / total).unwrap_or(1_000);
        if part > 0 { exact.max(4) } else { exact }
    };
    let clearable_part = permille(clearable);
    (permille(used).saturating_sub(clearable_part).min(1_000 - clearable_part), clearable_part)
}

/// True when it is time to clear.
pub fn is_tight(disk: &DiskGauge) -> bool {
    disk.is_tight()
}

/// The bar.
#[component]
pub fn Gauge(disk: DiskGauge) -> impl IntoView {
    let (kept, clearable) = parts(&disk);
    let used = disk.total_bytes.saturating_sub(disk.free_bytes);
    let label =
        format!("Staging disk: {} used of {}, {} free", bytes(used), bytes(disk.total_bytes), bytes(disk.free_bytes));
    view! {
        <svg
            class="gauge"
            class:tight=is_tight(&disk)
            viewBox="0 0 1000 12"
            preserveAspectRatio="none"
            role="img"
            aria-label=label
        >
            <defs>
                <pattern id="gauge-hatch" width="12" height="12" patternUnits="userSpaceOnUse" patternTransform="skewX(-45)">
                    <rect class="gauge-clearable" width="12" height="12"></rect>
                    <rect class="gauge-stripe" width="4" height="12"></rect>
                </pattern>
            </defs>
            <rect class="gauge-free" width="1000" height="12"></rect>
            <rect class="gauge-used" width=kept height="12"></rect>
            <rect fill="url(#gauge-hatch)" x=kept width=clearable height="12"></rect>
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn disk(total: u64, free: u64, clearable: u64) -> DiskGauge {
        DiskGauge { total_bytes: total, free_bytes: free, clearable_bytes: clearable, clearable_runs: 1 }
    }

    #[rstest]
    #[case(disk(1_000, 400, 100), (500, 100))]
    #[case(disk(0, 0, 0), (0, 0))]
    #[case(disk(1_000, 0, 5_000), (0, 1_000))]
    #[case(disk(1_000_000, 999_999, 1), (0, 4))]
    #[case(disk(100, 200, 0), (0, 0))]
    fn the_bar_never_overflows(#[case] disk: DiskGauge, #[case] expected: (u32, u32)) {
        assert_eq!(parts(&disk), expected);
    }

    #[test]
    fn a_tenth_left_is_tight() {
        assert!(is_tight(&disk(100, 9, 0)));
        assert!(!is_tight(&disk(100, 10, 0)));
    }
}
