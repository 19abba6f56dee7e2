//! What the staging table shows, as it stands in the address: filters, order, page. A view can be bookmarked and
//! shared.

use domain::address;
use domain::api::AttentionKind;

/// A column the table can be sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SortKey {
    /// Latest change; the default, newest first.
    #[default]
    Activity,
    State,
    /// Leaf of the path.
    Run,
    Equipment,
    Project,
    Files,
    Bytes,
}

impl SortKey {
    /// All columns, in the order of the table.
    pub const ALL: [SortKey; 7] = [
        SortKey::State,
        SortKey::Run,
        SortKey::Equipment,
        SortKey::Project,
        SortKey::Files,
        SortKey::Bytes,
        SortKey::Activity,
    ];

    /// As in the address.
    pub fn as_str(self) -> &'static str {
        match self {
            SortKey::Activity => "activity",
            SortKey::State => "state",
            SortKey::Run => "run",
            SortKey::Equipment => "equipment",
            SortKey::Project => "project",
            SortKey::Files => "files",
            SortKey::Bytes => "bytes",
        }
    }

    /// Names sort upwards first; sizes and times downwards.
    pub fn starts_descending(self) -> bool {
        matches!(self, SortKey::Activity | SortKey::Files | SortKey::Bytes)
    }
}

/// A view of the staging table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ViewQuery {
    /// State texts to show; empty is all.
    pub states: Vec<String>,
    pub equipment: Option<String>,
    /// Only this project folder.
    pub project: Option<String>,
    /// `experimental` or `test`.
    pub kind: Option<String>,
    /// Only runs that need an operator.
    pub attention: bool,
    /// Only runs that need an operator for this reason.
    pub why: Option<AttentionKind>,
    /// Words that must all occur in path or project.
    pub text: String,
    pub sort: SortKey,
    pub descending: bool,
    /// From 1; only used where there is no script to scroll by.
    pub page: usize,
}

impl Default for ViewQuery {
    fn default() -> Self {
        ViewQuery {
            states: Vec::new(),
            equipment: None,
            project: None,
            kind: None,
            attention: false,
            why: None,
            text: String::new(),
            sort: SortKey::Activity,
            descending: true,
            page: 1,
        }
    }
}

impl ViewQuery {
    /// Reads a query string, with or without `?`. What is not understood is left out.
    pub fn parse(search: &str) -> ViewQuery {
        let mut query = ViewQuery::default();
        let mut descending = None;
        for (key, value) in address::pairs(search) {
            let some = || (!value.is_empty()).then(|| value.clone());
            match key.as_str() {
                "state" => {
                    query.states = value.split(',').filter(|state| !state.is_empty()).map(str::to_owned).collect()
                }
                "equipment" => query.equipment = some(),
                "project" => query.project = some(),
                "kind" => query.kind = some(),
                "attention" => query.attention = value == "1",
                "why" => query.why = AttentionKind::of_runs(&value),
                "q" => query.text = value,
                "sort" => query.sort = SortKey::ALL.into_iter().find(|sort| sort.as_str() == value).unwrap_or_default(),
                "dir" => descending = Some(value == "desc"),
                "page" => query.page = value.parse().ok().filter(|page| *page > 0).unwrap_or(1),
                _ => {}
            }
        }
        query.descending = descending.unwrap_or(query.sort.starts_descending());
        query
    }

    /// The address of this view; defaults are left out.
    pub fn href(&self) -> String {
        let pairs: Vec<String> =
            self.pairs().iter().map(|(key, value)| format!("{key}={}", address::encode_value(value))).collect();
        if pairs.is_empty() { "/staging".to_owned() } else { format!("/staging?{}", pairs.join("&")) }
    }

    /// The same as key and value.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        let mut push = |key: &'static str, value: &str| pairs.push((key, value.to_owned()));
        if !self.states.is_empty() {
            push("state", &self.states.join(","));
        }
        for (key, value) in [("equipment", &self.equipment), ("project", &self.project), ("kind", &self.kind)] {
            if let Some(value) = value {
                push(key, value);
            }
        }
        if self.attention {
            push("attention", "1");
        }
        if let Some(why) = self.why {
            push("why", why.as_str());
        }
        if !self.text.is_empty() {
            push("q", &self.text);
        }
        if self.sort != SortKey::default() {
            push("sort", self.sort.as_str());
        }
        if self.descending != self.sort.starts_descending() {
            push("dir", if self.descending { "desc" } else { "asc" });
        }
        if self.page > 1 {
            push("page", &self.page.to_string());
        }
        pairs
    }

    /// True when rows may be hidden.
    pub fn is_filtered(&self) -> bool {
        !self.states.is_empty()
            || self.equipment.is_some()
            || self.project.is_some()
            || self.kind.is_some()
            || self.attention
            || self.why.is_some()
            || !self.text.trim().is_empty()
    }

    /// The same order without any filter.
    #[must_use]
    pub fn unfiltered(&self) -> ViewQuery {
        ViewQuery { sort: self.sort, descending: self.descending, ..ViewQuery::default() }
    }

    /// With one state switched on or off.
    #[must_use]
    pub fn toggled(&self, state: &str) -> ViewQuery {
        let mut next = ViewQuery { page: 1, ..self.clone() };
        match next.states.iter().position(|known| known == state) {
            Some(at) => drop(next.states.remove(at)),
            None => next.states.push(state.to_owned()),
        }
        next
    }

    /// Sorted by a column; a second time the other way round.
    #[must_use]
    pub fn sorted(&self, sort: SortKey) -> ViewQuery {
        let descending = if self.sort == sort { !self.descending } else { sort.starts_descending() };
        ViewQuery { sort, descending, page: 1, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "/staging")]
    #[case("?state=complete,staging&q=a+b%26c", "/staging?state=complete%2Cstaging&q=a%20b%26c")]
    #[case("sort=bytes", "/staging?sort=bytes")]
    #[case("sort=bytes&dir=asc&page=3", "/staging?sort=bytes&dir=asc&page=3")]
    #[case("sort=nonsense&page=-1&kind=test", "/staging?kind=test")]
    #[case("equipment=A_1&project=My%20one&attention=1", "/staging?equipment=A_1&project=My%20one&attention=1")]
    #[case("why=failed", "/staging?why=failed")]
    #[case("why=disk&attention=1", "/staging?attention=1")]
    fn addresses_read_back(#[case] search: &str, #[case] written: &str) {
        let query = ViewQuery::parse(search);
        assert_eq!(query.href(), written);
        assert_eq!(ViewQuery::parse(written.trim_start_matches("/staging")), query);
    }

    #[test]
    fn sorting_twice_turns_round() {
        let by_bytes = ViewQuery::default().sorted(SortKey::Bytes);
        assert!(by_bytes.descending);
        assert!(!by_bytes.sorted(SortKey::Bytes).descending);
        assert!(!ViewQuery::default().sorted(SortKey::Run).descending);
    }

    #[test]
    fn toggling_twice_is_nothing() {
        let query = ViewQuery::default();
        assert_eq!(query.toggled("staging").toggled("staging"), query);
    }
}
