//! `junit.xml`, as Jenkins, GitLab, TestGrid and the GitHub reporters read it.
//!
//! The XML comes from the `junit-report` crate. It writes text as given and knows neither
//! properties nor lines, so text is made safe before ([`safe`]) and the rest added after
//! ([`enrich`]). Nothing else in the project knows of that crate.

mod details;
mod enrich;
mod properties;
mod safe;
mod suites;
#[cfg(test)]
mod tests;

use std::path::Path;

use junit_report::{Duration, OffsetDateTime, Report, TestCase, TestSuite};
use meshproof_record::RunRecord;

use self::suites::{Case, Outcome, Suite};

/// Why a record could not be written as JUnit's XML.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JunitError {
    /// The base report could not be written.
    #[error("writing the base report: {0}")]
    Base(#[from] junit_report::Error),
    /// The base report could not be read back.
    #[error("reading the base report back: {0}")]
    Read(#[from] quick_xml::Error),
    /// The base report could not be read back.
    #[error("reading an attribute of the base report back: {0}")]
    Attribute(#[from] quick_xml::events::attributes::AttrError),
    /// The enriched report could not be written.
    #[error("writing the enriched report: {0}")]
    Write(#[from] std::io::Error),
    /// The result is not text.
    #[error("the enriched report is not UTF-8: {0}")]
    Utf8(#[from] std::string::FromUtf8Error),
    /// The base report has other suites or cases than it was given.
    #[error("the base report does not have the suites and cases that it was given: {0}")]
    Shape(&'static str),
}

/// The JUnit report of a run. `attachments` are files that the cases that did not pass point to.
///
/// `failure` stands for a verdict of fail, `error` for inconclusive, for a problem of the run
/// (a failed set-up, an interruption), and for a run without any case.
pub fn junit(record: &RunRecord, attachments: &[&Path]) -> Result<String, JunitError> {
    let suites = suites::suites(record, attachments);
    let mut base = Vec::new();
    let mut report = Report::new();
    report.add_testsuites(suites.iter().map(base_suite));
    report.write_xml(&mut base)?;
    enrich::enrich(&base, &suites)
}

fn base_suite(suite: &Suite) -> TestSuite {
    let mut base = TestSuite::new(&safe::attribute(&suite.name));
    // Replaced by the record's own text when enriching.
    base.set_timestamp(OffsetDateTime::UNIX_EPOCH);
    base.add_testcases(suite.cases.iter().map(base_case));
    base
}

fn base_case(case: &Case) -> TestCase {
    let name = safe::attribute(&case.name);
    let time = Duration::seconds_f64(case.seconds);
    let mut base = match &case.outcome {
        Outcome::Pass => TestCase::success(&name, time),
        Outcome::Failure(why) => {
            TestCase::failure(&name, time, why.kind, &safe::attribute(&why.message))
        }
        Outcome::Error(why) => {
            TestCase::error(&name, time, why.kind, &safe::attribute(&why.message))
        }
        Outcome::Skipped(why) => {
            TestCase::skipped_with_cause(&name, why.kind, &safe::attribute(&why.message))
        }
    };
    base.set_classname(&safe::attribute(&case.classname));
    if let Some(file) = &case.file {
        base.set_filepath(&safe::attribute(file));
    }
    if let Outcome::Failure(why) | Outcome::Error(why) | Outcome::Skipped(why) = &case.outcome {
        set_text(&mut base, safe::cdata(&why.text));
    }
    if !case.output.is_empty() {
        base.set_system_out(&safe::cdata(&case.output));
    }
    base
}

/// Sets the text of the result; the crate's builder has no way to for skipped cases.
fn set_text(case: &mut TestCase, text: String) {
    use junit_report::TestResult::{Error, Failure, Skipped, SkippedWithCause, Success};
    match &mut case.result {
        Error { cause, .. } | Failure { cause, .. } | SkippedWithCause { cause, .. } => {
            *cause = Some(text);
        }
        Success | Skipped => {}
    }
}
