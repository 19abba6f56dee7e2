//! The table: one row per comparison, ours and a peer's value with their ratio.

use anyhow::Result;

/// One comparison.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Ours.
    pub ours: Value,
    /// The peer's name.
    pub peer: String,
    /// The peer's; `None` when there is none.
    pub theirs: Option<Value>,
    /// What it was designed for.
    pub target: &'static str,
}

/// A number with its unit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Value {
    /// The number.
    pub number: f64,
    /// `ms`, `s`, `MB/s`, `/s`, `%`, `MiB`.
    pub unit: &'static str,
}

/// A number with its unit.
pub fn value(number: f64, unit: &'static str) -> Value {
    Value { number, unit }
}

impl Value {
    fn show(self) -> String {
        let digits = match self.number.abs() {
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            _ => 2,
        };
        format!("{:.digits$} {}", self.number, self.unit)
    }
}

/// All rows, and what could not be measured.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    missing: Vec<String>,
}

impl Table {
    /// Adds a measurement's rows, or why there are none; says both at once.
    pub fn add(&mut self, outcome: Result<Vec<Row>>) {
        match outcome {
            Ok(rows) => {
                rows.iter().for_each(|row| println!("{}", line(row)));
                self.rows.extend(rows);
            }
            Err(error) => {
                println!("NOT MEASURED: {error:#}");
                self.missing.push(format!("{error:#}"));
            }
        }
    }

    /// Prints it.
    pub fn print(&self) {
        println!("\n{:<52} {:>12}  {:<28} {:>12} {:>8}  target", "measurement", "ours", "peer", "peer's", "ratio");
        self.rows.iter().for_each(|row| println!("{}", line(row)));
        self.missing.iter().for_each(|what| println!("NOT MEASURED: {what}"));
    }
}

fn line(row: &Row) -> String {
    let theirs = row.theirs.map_or_else(|| "-".to_owned(), Value::show);
    let ratio = row.theirs.filter(|theirs| theirs.unit == row.ours.unit && theirs.number > 0.0);
    let ratio = ratio.map_or_else(|| "-".to_owned(), |theirs| format!("{:.3}", row.ours.number / theirs.number));
    format!("{:<52} {:>12}  {:<28} {theirs:>12} {ratio:>8}  {}", row.what, row.ours.show(), row.peer, row.target)
}

/// The value below which this share of the samples lies. Zero without samples.
pub fn percentile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index between 0 and last")]
    let at = ((last as f64) * share).round() as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}

/// The middle one.
pub fn median(samples: &[f64]) -> f64 {
    percentile(samples, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_few_and_none() {
        let samples = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!((median(&samples), percentile(&samples, 0.99), percentile(&samples, 0.0)), (3.0, 5.0, 1.0));
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn a_ratio_needs_equal_units() {
        let mut row = Row {
            what: "x".into(),
            ours: value(1.0, "ms"),
            peer: "p".into(),
            theirs: Some(value(2.0, "ms")),
            target: "",
        };
        assert!(line(&row).contains("0.500"));
        row.theirs = Some(value(2.0, "s"));
        assert!(!line(&row).contains("0.5"));
    }
}
