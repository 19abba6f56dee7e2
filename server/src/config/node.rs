//! A config file as a tree that knows where everything stands, so that every mistake can be shown with line and column.
//!
//! Not the settings: nothing here knows a key's name. The file is read into this tree first and checked afterwards,
//! because reading straight into structs ends at the first mistake, and IT should see all of them at once.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// Line and column in the file, both from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    /// Line.
    pub line: u64,
    /// Column in characters.
    pub column: u64,
}

impl Position {
    /// The beginning of the file: what concerns all of it.
    pub const START: Position = Position { line: 1, column: 1 };
}

impl From<Location> for Position {
    fn from(location: Location) -> Position {
        Position { line: location.line().max(1), column: location.column().max(1) }
    }
}

/// A value and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// Where it begins.
    pub at: Position,
    /// What it is.
    pub value: Value,
}

/// What YAML can say, after YAML's own rules for plain words (`true`, `12`, `~`).
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// `null`, `~`, or nothing after the colon.
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Whole(i128),
    /// A number with a fraction or exponent.
    Number(f64),
    /// Text, quoted or not.
    Text(String),
    /// `[...]` or a list with dashes.
    List(Vec<Node>),
    /// `{...}` or keys with values, in the file's order.
    Map(Vec<Entry>),
}

/// One key with its value.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_at: Position,
    /// Its value.
    pub value: Node,
}

impl Value {
    /// What it is, for messages: `expected text, found a list`.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Whole(_) | Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a block of keys",
        }
    }
}

/// Why a text is no YAML at all; there is nothing further to check then.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct NotYaml {
    /// Where.
    pub at: Position,
    /// What is wrong, without the position.
    pub message: String,
}

/// Reads one YAML document. An empty file is [`Value::Null`].
pub fn parse(text: &str) -> Result<Node, NotYaml> {
    let options = serde_saphyr::options! { with_snippet: false };
    match serde_saphyr::from_str_with_options::<Node>(text, options) {
        Ok(node) => Ok(node),
        Err(serde_saphyr::Error::Eof { .. }) => Ok(Node { at: Position::START, value: Value::Null }),
        Err(error) => {
            let at = error.location().map_or(Position::START, Position::from);
            let rendered = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            Err(NotYaml { at, message: without_position(&rendered, at) })
        }
    }
}

/// The position is printed in front of every message; the library's own repetition of it is cut off.
fn without_position(message: &str, at: Position) -> String {
    let (line, column) = (at.line, at.column);
    let repeated = [format!(" at line {line}, column {column}"), format!("line {line} column {column}: ")];
    let text = repeated.iter().fold(message.to_owned(), |text, part| text.replace(part.as_str(), ""));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Node { at: spanned.referenced.into(), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Whole(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Whole(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Whole(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Node>()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let value = access.next_value::<Node>()?;
            entries.push(Entry { key_at: key.referenced.into(), key: key.value, value });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("")]
    #[case("# only a comment\n")]
    #[case("---\n")]
    fn an_empty_file_is_nothing(#[case] text: &str) {
        assert_eq!(parse(text).map(|node| node.value), Ok(Value::Null));
    }

    #[test]
    fn everything_knows_where_it_stands() {
        let root = parse("a: 1\nb: [x, 'y']\nf:\n  - g: yes\n    h: 08:00\n").unwrap();
        let Value::Map(entries) = root.value else { panic!("a map") };
        assert_eq!(entries[0].value, Node { at: Position { line: 1, column: 4 }, value: Value::Whole(1) });
        let Value::List(items) = &entries[1].value.value else { panic!("a list") };
        assert_eq!((items[1].at, &items[1].value), (Position { line: 2, column: 8 }, &Value::Text("y".into())));
        let Value::List(items) = &entries[2].value.value else { panic!("a list") };
        let Value::Map(inner) = &items[0].value else { panic!("a map") };
        assert_eq!((inner[1].key.as_str(), inner[1].key_at), ("h", Position { line: 5, column: 5 }));
        assert_eq!(inner[1].value.value, Value::Text("08:00".into()));
    }

    #[rstest]
    #[case("a: 1\na: 2\n", 2, 1, "duplicate")]
    #[case("a: [1\nb: 2", 2, 2, "':'")]
    #[case("a: b: c", 1, 5, "not allowed")]
    #[case("a: 1\n---\nb: 2", 3, 1, "document")]
    fn what_is_no_yaml_says_where(#[case] text: &str, #[case] line: u64, #[case] column: u64, #[case] words: &str) {
        let error = parse(text).unwrap_err();
        assert_eq!(error.at, Position { line, column });
        assert!(error.message.contains(words), "{}", error.message);
        assert!(!error.message.contains("column"), "{}", error.message);
    }
}
