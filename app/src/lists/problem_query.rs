//! What the page shows, as it stands in the address. The same filters as REST; without one, what still asks for a
//! decision.

use domain::address;
use domain::api::{ProblemQuery, Scope};
use domain::finding::Tier;

/// Findings per page.
pub const PER_PAGE: u64 = 100;

/// A view of the problems.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// Filters; its offset and limit are not used.
    pub filters: ProblemQuery,
    pub page: u64,
}

impl Default for View {
    fn default() -> View {
        View { filters: ProblemQuery { scope: Scope::Open, ..ProblemQuery::default() }, page: 1 }
    }
}

impl View {
    /// Reads a query string, with or without `?`. What is not understood is left out.
    pub fn parse(search: &str) -> View {
        let mut view = View::default();
        for (key, value) in address::pairs(search) {
            match key.as_str() {
                "page" => view.page = value.parse().ok().filter(|page| *page > 0).unwrap_or(1),
                "scope" if value.is_empty() => {}
                "scope" | "tier" | "rule" | "state" | "q" => {
                    // An address made by hand, or by another version: that filter is not set.
                    let _ = view.filters.set(&key, &value);
                }
                _ => {}
            }
        }
        view
    }

    /// The address of this view; defaults are left out.
    pub fn href(&self) -> String {
        let mut pairs: Vec<String> =
            self.pairs().iter().map(|(key, value)| format!("{key}={}", address::encode_value(value))).collect();
        if self.page > 1 {
            pairs.push(format!("page={}", self.page));
        }
        if pairs.is_empty() { "/problems".to_owned() } else { format!("/problems?{}", pairs.join("&")) }
    }

    /// Its filters as key and value; defaults are left out.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let filters = &self.filters;
        let mut pairs = Vec::new();
        if filters.scope != Scope::Open {
            pairs.push(("scope", filters.scope.as_str().to_owned()));
        }
        if let Some(tier) = filters.tier {
            let tier = match tier {
                Tier::Hard => "hard",
                Tier::Soft => "soft",
            };
            pairs.push(("tier", tier.to_owned()));
        }
        if let Some(rule) = filters.rule {
            pairs.push(("rule", rule.as_str().to_owned()));
        }
        if let Some(state) = &filters.state {
            pairs.push(("state", state.clone()));
        }
        if !filters.q.is_empty() {
            pairs.push(("q", filters.q.clone()));
        }
        pairs
    }

    /// With other filters, from the first page.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut ProblemQuery)) -> View {
        let mut view = View { page: 1, ..self.clone() };
        change(&mut view.filters);
        view
    }

    /// What the server is asked for.
    pub fn question(&self) -> ProblemQuery {
        ProblemQuery { offset: (self.page - 1).saturating_mul(PER_PAGE), limit: Some(PER_PAGE), ..self.filters.clone() }
    }
}

/// The address of everything about one run.
pub fn of_run(run_path: &str) -> String {
    View::default()
        .with(|filters| {
            filters.scope = Scope::All;
            filters.q = run_path.to_owned();
        })
        .href()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::finding::Rule;
    use proptest::prelude::*;

    #[test]
    fn without_filters_the_address_is_bare() {
        assert_eq!(View::default().href(), "/problems");
        assert_eq!(View::parse(""), View::default());
        assert_eq!(View::parse("?scope=&tier=x&page=0&other=1"), View::default());
        assert_eq!(of_run("E/My project/Run_1"), "/problems?scope=all&q=E%2FMy%20project%2FRun_1");
    }

    proptest! {
        #[test]
        fn every_view_survives_its_address(
            scope in proptest::sample::select(Scope::ALL.to_vec()),
            tier in proptest::option::of(proptest::sample::select(vec![Tier::Hard, Tier::Soft])),
            rule in proptest::option::of(proptest::sample::select(Rule::ALL.to_vec())),
            q in ".{0,30}", page in 1_u64..5
        ) {
            let view = View { filters: ProblemQuery { scope, tier, rule, q, ..ProblemQuery::default() }, page };
            let href = view.href();
            prop_assert_eq!(View::parse(href.split_once('?').map_or("", |(_, query)| query)), view);
        }
    }
}
