//! What an act over many runs would do, asked of the world as it is now. The one implementation behind panel and REST.

use super::query::ViewQuery;
use super::select;
use crate::backend::Backend;
use domain::api::{ActPlan, PlanRequest};
use domain::problem::{ErrorCode, Problem};
use std::collections::{BTreeSet, HashMap};

/// Sorts the runs that are named, or that a view shows, into what an act would act on and what it would leave alone.
/// Changes nothing.
pub async fn plan(backend: &Backend, request: PlanRequest) -> Result<ActPlan, Problem> {
    let PlanRequest { kind, runs, matching } = request;
    let list = backend.staging().await?;
    if let Some(search) = matching {
        if !runs.is_empty() {
            return Err(Problem::new(ErrorCode::Unprocessable, "A plan takes either `runs` or `matching`, not both."));
        }
        let shown = select::select(list.runs.iter().enumerate(), &ViewQuery::parse(&search));
        return Ok(ActPlan::of(kind, shown.keys.iter().map(|at| &list.runs[*at]), Vec::new()));
    }
    if runs.is_empty() {
        return Err(Problem::new(
            ErrorCode::Unprocessable,
            "A plan names at least one run in `runs`, or a view in `matching`.",
        ));
    }
    let known: HashMap<&str, usize> = list
        .runs
        .iter()
        .enumerate()
        .flat_map(|(at, row)| [(row.run_path.as_str(), at), (row.summary.path.as_str(), at)])
        .collect();
    // Named twice, it is one run all the same.
    let (mut rows, mut gone) = (BTreeSet::new(), Vec::new());
    for run in runs {
        match known.get(run.as_str()) {
            Some(at) => drop(rows.insert(*at)),
            None => gone.push(run),
        }
    }
    Ok(ActPlan::of(kind, rows.into_iter().map(|at| &list.runs[at]), gone))
}
