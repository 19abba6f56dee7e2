//! Reads one block of keys: every key is asked for by name and kind, and what was never asked for is an unknown key.
//!
//! Mistakes are collected in a [`Report`], not returned: a reader answers `None` (or a default) and goes on, so that
//! one run of `check-config` shows everything that is wrong.

use super::node::{Entry, Node, Position, Value};
use std::cell::RefCell;
use std::ops::RangeInclusive;

/// One mistake in the file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mistake {
    /// Where.
    pub at: Position,
    /// Which key, what is wrong, what to do.
    pub message: String,
}

/// All mistakes found so far, and keys that are no mistake but have no effect.
#[derive(Debug, Default)]
pub struct Report {
    mistakes: RefCell<Vec<Mistake>>,
    warnings: RefCell<Vec<Mistake>>,
}

impl Report {
    /// Adds a mistake.
    pub fn add(&self, at: Position, message: impl Into<String>) {
        self.mistakes.borrow_mut().push(Mistake { at, message: message.into() });
    }

    /// Adds a warning: the file can be used, and this in it has no effect.
    pub fn warn(&self, at: Position, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Mistake { at, message: message.into() });
    }

    /// Mistakes and warnings in the file's order, each once.
    pub fn into_found(self) -> (Vec<Mistake>, Vec<Mistake>) {
        let in_order = |found: RefCell<Vec<Mistake>>| {
            let mut found = found.into_inner();
            found.sort();
            found.dedup();
            found
        };
        (in_order(self.mistakes), in_order(self.warnings))
    }
}

/// A value and where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Located<T> {
    /// Where.
    pub at: Position,
    /// What.
    pub value: T,
}

/// A block of keys while it is read.
#[derive(Debug)]
pub struct Section<'a> {
    path: String,
    at: Position,
    entries: &'a [Entry],
    asked: Vec<&'static str>,
    /// Asked for only to be refused with a reason.
    refused: Vec<&'static str>,
    report: &'a Report,
}

impl<'a> Section<'a> {
    /// The block at `node`; nothing there is an empty block, anything else is a mistake and an empty block.
    /// `path` is how messages name it, `at` where they point when a key is missing.
    pub fn new(path: impl Into<String>, at: Position, node: &'a Node, report: &'a Report) -> Section<'a> {
        let path = path.into();
        let entries: &[Entry] = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            other => {
                let name = if path.is_empty() { "the file" } else { &path };
                report.add(node.at, format!("{name}: expected a block of keys, found {}", other.kind()));
                &[]
            }
        };
        Section { path, at, entries, asked: Vec::new(), refused: Vec::new(), report }
    }

    /// Where the block stands, for what concerns all of it.
    pub fn at(&self) -> Position {
        self.at
    }

    /// How messages name a key of this block.
    pub fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where mistakes go.
    pub fn report(&self) -> &'a Report {
        self.report
    }

    /// Adds a mistake about a key.
    pub fn mistake(&self, at: Position, key: &str, what: impl AsRef<str>) {
        self.report.add(at, format!("{}: {}", self.name(key), what.as_ref()));
    }

    /// Adds a mistake about a key that is not there, or says nothing.
    pub fn missing(&self, key: &str, what: &str) {
        let at = self.entries.iter().find(|entry| entry.key == key).map_or(self.at, |entry| entry.key_at);
        self.mistake(at, key, format!("is missing; {what}"));
    }

    /// Warns that a key that is written here has no effect here, and why.
    pub fn means_nothing(&mut self, key: &'static str, why: &str) {
        if let Some(entry) = self.take(key) {
            self.report.warn(entry.key_at, format!("{}: has no effect here: {why}", self.name(key)));
        }
    }

    /// The key's value unless it is absent or null.
    pub fn take(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.asked.push(key);
        self.entries.iter().find(|entry| entry.key == key).filter(|entry| entry.value.value != Value::Null)
    }

    /// A key that may not stand here, for a mistake that says why; it is not named among those that may.
    pub fn take_refused(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.refused.push(key);
        self.take(key)
    }

    /// Accepts a key whose content is not for us.
    pub fn ignore(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }

    /// A block inside this one; an absent one is empty and stands where this one does.
    pub fn section(&mut self, key: &'static str) -> Section<'a> {
        let (name, report) = (self.name(key), self.report);
        match self.take(key) {
            Some(entry) => Section::new(name, entry.key_at, &entry.value, report),
            None => Section { path: name, at: self.at, entries: &[], asked: Vec::new(), refused: Vec::new(), report },
        }
    }

    /// The items of a list; absent is empty.
    pub fn list(&mut self, key: &'static str) -> &'a [Node] {
        match self.take(key) {
            None => &[],
            Some(Entry { value: Node { value: Value::List(items), .. }, .. }) => items,
            Some(entry) => {
                self.wrong_kind(key, &entry.value, "a list");
                &[]
            }
        }
    }

    /// Text without outer blanks; empty text is as good as absent.
    pub fn text(&mut self, key: &'static str) -> Option<Located<String>> {
        let node = &self.take(key)?.value;
        match &node.value {
            Value::Text(text) if text.trim().is_empty() => None,
            Value::Text(text) if text.chars().any(char::is_control) => {
                self.mistake(node.at, key, "contains a control character or a line break; remove it");
                None
            }
            Value::Text(text) => Some(Located { at: node.at, value: text.trim().to_owned() }),
            Value::Bool(_) | Value::Whole(_) | Value::Number(_) => {
                self.mistake(node.at, key, "expected text; put the value in quotes");
                None
            }
            _ => {
                self.wrong_kind(key, node, "text");
                None
            }
        }
    }

    /// Text that must be there; `what` says what to write.
    pub fn required_text(&mut self, key: &'static str, what: &str) -> Option<Located<String>> {
        match self.take(key).map(|entry| &entry.value.value) {
            None => self.missing(key, what),
            Some(Value::Text(text)) if text.trim().is_empty() => self.missing(key, what),
            Some(_) => return self.text(key),
        }
        None
    }

    /// One of a few words.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let known = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
            self.mistake(text.at, key, format!("{:?} is not known; write one of: {known}", text.value));
        }
        found
    }

    /// A list of words, each one of a few.
    pub fn words<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Vec<T> {
        let mut found = Vec::new();
        for item in self.list(key) {
            match words.iter().find(|(word, _)| matches!(&item.value, Value::Text(text) if text.trim() == *word)) {
                Some((_, value)) => found.push(*value),
                None => {
                    let known = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
                    self.mistake(item.at, key, format!("write only words of: {known}"));
                }
            }
        }
        found
    }

    /// A number above zero, with or without a fraction.
    pub fn positive_number(&mut self, key: &'static str) -> Option<f64> {
        let node = &self.take(key)?.value;
        let number = match node.value {
            // Exact below 2^53, far above any rate.
            Value::Whole(number) => number as f64,
            Value::Number(number) => number,
            _ => {
                self.wrong_kind(key, node, "a number");
                return None;
            }
        };
        if number > 0.0 && number.is_finite() {
            return Some(number);
        }
        self.mistake(node.at, key, "must be above 0; leave the key out for no limit");
        None
    }

    /// `true` or `false`
    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        let node = &self.take(key)?.value;
        match node.value {
            Value::Bool(flag) => Some(flag),
            _ => {
                self.wrong_kind(key, node, "true or false");
                None
            }
        }
    }

    /// A whole number within limits.
    pub fn whole(&mut self, key: &'static str, limits: RangeInclusive<u64>) -> Option<u64> {
        let node = &self.take(key)?.value;
        let Value::Whole(number) = node.value else {
            self.wrong_kind(key, node, "a whole number");
            return None;
        };
        let accepted = u64::try_from(number).ok().filter(|number| limits.contains(number));
        if accepted.is_none() {
            let (low, high) = (limits.start(), limits.end());
            let range = if *high == u64::MAX { format!("at least {low}") } else { format!("from {low} to {high}") };
            self.mistake(node.at, key, format!("{number} is out of range; write a number {range}"));
        }
        accepted
    }

    /// As [`Section::whole`], for settings held in 32 bits.
    pub fn whole_u32(&mut self, key: &'static str, limits: RangeInclusive<u32>) -> Option<u32> {
        let wide = u64::from(*limits.start())..=u64::from(*limits.end());
        self.whole(key, wide).and_then(|number| u32::try_from(number).ok())
    }

    /// A number or a text that `read` understands, e.g. `86400` or `24h`; `form` says what may be written.
    pub fn quantity(&mut self, key: &'static str, form: &str, read: fn(&str) -> Option<u64>) -> Option<Located<u64>> {
        let node = &self.take(key)?.value;
        let value = match &node.value {
            Value::Whole(number) => u64::try_from(*number).ok(),
            Value::Text(text) => read(text.trim()),
            _ => None,
        };
        if value.is_none() {
            self.mistake(node.at, key, format!("expected {form}"));
        }
        value.map(|value| Located { at: node.at, value })
    }

    /// Reports every key that was never asked for.
    pub fn finish(self) {
        for entry in self.entries.iter().filter(|entry| !self.asked.contains(&entry.key.as_str())) {
            let near = self
                .asked
                .iter()
                .filter(|known| strsim::levenshtein(known, &entry.key) <= 2)
                .min_by_key(|known| strsim::levenshtein(known, &entry.key));
            let advice = match near {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", self.known().join(", ")),
            };
            self.mistake(entry.key_at, &entry.key, format!("unknown key; {advice}"));
        }
    }

    /// Every key that may stand here, once each, in order.
    fn known(&self) -> Vec<&'static str> {
        let mut known: Vec<&str> = self.asked.iter().copied().filter(|key| !self.refused.contains(key)).collect();
        known.sort_unstable();
        known.dedup();
        known
    }

    fn wrong_kind(&self, key: &str, node: &Node, expected: &str) {
        self.mistake(node.at, key, format!("expected {expected}, found {}", node.value.kind()));
    }
}

#[cfg(test)]
#[path = "section_tests.rs"]
mod tests;
