//! A sabotaged case: the defence is gone, so what the case demands must fail. If it does not, the case
//! could not tell.

use meshproof_record::{Check, Status, Verdict};

/// From the verdict on what the case demands to the verdict on the case itself. `statement` is the
/// error of a statement that the database refused.
pub(super) fn judge(under_sabotage: Verdict, statement: Option<&str>) -> Verdict {
    let found = &under_sabotage.summary;
    let (status, summary) = match under_sabotage.status {
        Status::Fail if statement.is_some() => (
            Status::Fail,
            format!(
                "its own statement failed, which hides what the sabotage does: {}; write statements that can run twice",
                statement.unwrap_or_default()
            ),
        ),
        Status::Fail => (Status::Pass, format!("it notices: {found}")),
        Status::Pass => (
            Status::Fail,
            format!("it does not notice that its defence is gone: {found}"),
        ),
        Status::Inconclusive => (
            Status::Fail,
            format!("without its defence it is inconclusive where it must fail: {found}"),
        ),
        Status::Skipped => (Status::Skipped, found.clone()),
    };
    let check = Check {
        what: "fails under sabotage".to_owned(),
        status,
        detail: summary.clone(),
    };
    Verdict {
        status,
        summary,
        checks: std::iter::once(check)
            .chain(under_sabotage.checks)
            .collect(),
        observed: under_sabotage.observed,
    }
}
