//! One pass over the base report that adds what its writer does not know: properties, lines,
//! timestamps, totals, counts of skipped cases. Takes out the host's name.

use quick_xml::events::{BytesEnd, BytesStart, Event};
use quick_xml::{Reader, Writer};

use super::suites::{Case, Outcome, Suite};
use super::{JunitError, safe};

/// Attributes of the base report that say nothing here (an invented host and package, a counter).
const DROPPED: [&[u8]; 3] = [b"hostname", b"package", b"id"];

pub(super) fn enrich(base: &[u8], suites: &[Suite]) -> Result<String, JunitError> {
    let mut pass = Pass {
        out: Writer::new(Vec::new()),
        suites: suites.iter(),
        cases: [].iter(),
    };
    let mut reader = Reader::from_reader(base);
    loop {
        match reader.read_event()? {
            Event::Eof => break,
            Event::Start(tag) => pass.open(&tag, false, suites)?,
            Event::Empty(tag) => pass.open(&tag, true, suites)?,
            Event::End(tag) => {
                pass.out.write_event(Event::End(tag.borrow()))?;
                if matches!(
                    tag.name().as_ref(),
                    b"testcase" | b"testsuite" | b"testsuites"
                ) {
                    pass.line_end();
                }
            }
            Event::Decl(declaration) => {
                pass.out.write_event(Event::Decl(declaration))?;
                pass.line_end();
            }
            other => pass.out.write_event(other)?,
        }
    }
    pass.finish()
}

struct Pass<'a> {
    out: Writer<Vec<u8>>,
    suites: std::slice::Iter<'a, Suite>,
    cases: std::slice::Iter<'a, Case>,
}

impl<'a> Pass<'a> {
    fn open(&mut self, tag: &BytesStart, empty: bool, all: &'a [Suite]) -> Result<(), JunitError> {
        let mut copy = copy(tag)?;
        let properties = match tag.name().as_ref() {
            b"testsuites" => {
                totals(&mut copy, all);
                &[][..]
            }
            b"testsuite" => self.suite(&mut copy)?,
            b"testcase" => self.case(&mut copy)?,
            _ => &[],
        };
        if empty && properties.is_empty() {
            self.out.write_event(Event::Empty(copy))?;
            return Ok(());
        }
        let end = copy.to_end().into_owned();
        self.out.write_event(Event::Start(copy))?;
        self.properties(properties)?;
        if empty {
            self.out.write_event(Event::End(end))?;
            self.line_end();
        } else if tag.name().as_ref().starts_with(b"testsuite") {
            self.line_end();
        }
        Ok(())
    }

    fn suite(&mut self, tag: &mut BytesStart) -> Result<&'a [(String, String)], JunitError> {
        if self.cases.next().is_some() {
            return Err(JunitError::Shape("a suite has fewer cases"));
        }
        let suite = self.suites.next().ok_or(JunitError::Shape("more suites"))?;
        self.cases = suite.cases.iter();
        tag.push_attribute(("skipped", skipped(suite).to_string().as_str()));
        tag.push_attribute(("timestamp", safe::attribute(&suite.timestamp).as_str()));
        Ok(&suite.properties)
    }

    fn case(&mut self, tag: &mut BytesStart) -> Result<&'a [(String, String)], JunitError> {
        let case = self
            .cases
            .next()
            .ok_or(JunitError::Shape("a suite has more cases"))?;
        if let Some(line) = case.line {
            tag.push_attribute(("line", line.to_string().as_str()));
        }
        tag.push_attribute(("timestamp", safe::attribute(&case.timestamp).as_str()));
        Ok(&case.properties)
    }

    fn properties(&mut self, properties: &[(String, String)]) -> Result<(), JunitError> {
        if properties.is_empty() {
            return Ok(());
        }
        self.out
            .write_event(Event::Start(BytesStart::new("properties")))?;
        for (name, value) in properties {
            let mut property = BytesStart::new("property");
            property.push_attribute(("name", safe::attribute(name).as_str()));
            property.push_attribute(("value", safe::attribute(value).as_str()));
            self.out.write_event(Event::Empty(property))?;
        }
        self.out
            .write_event(Event::End(BytesEnd::new("properties")))?;
        Ok(())
    }

    /// Line ends between elements, where XML readers ignore them and people do not.
    fn line_end(&mut self) {
        self.out.get_mut().push(b'\n');
    }

    fn finish(mut self) -> Result<String, JunitError> {
        if self.suites.next().is_some() || self.cases.next().is_some() {
            return Err(JunitError::Shape("fewer suites or cases"));
        }
        Ok(String::from_utf8(self.out.into_inner())?)
    }
}

/// The tag with the attributes worth keeping; the suite's timestamp is replaced.
fn copy<'t>(tag: &BytesStart<'t>) -> Result<BytesStart<'t>, JunitError> {
    let name = String::from_utf8(tag.name().as_ref().to_vec())?;
    let mut copy = BytesStart::new(name);
    for attribute in tag.attributes() {
        let attribute = attribute?;
        let key = attribute.key.as_ref();
        if !DROPPED.contains(&key) && key != b"timestamp" {
            copy.push_attribute(attribute);
        }
    }
    Ok(copy)
}

fn totals(tag: &mut BytesStart, suites: &[Suite]) {
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    let count = |wanted: fn(&Outcome) -> bool| {
        cases()
            .filter(|case| wanted(&case.outcome))
            .count()
            .to_string()
    };
    tag.push_attribute(("name", "meshproof"));
    tag.push_attribute(("tests", cases().count().to_string().as_str()));
    tag.push_attribute((
        "failures",
        count(|outcome| matches!(outcome, Outcome::Failure(_))).as_str(),
    ));
    tag.push_attribute((
        "errors",
        count(|outcome| matches!(outcome, Outcome::Error(_))).as_str(),
    ));
    tag.push_attribute((
        "skipped",
        count(|outcome| matches!(outcome, Outcome::Skipped(_))).as_str(),
    ));
    let seconds: f64 = cases().map(|case| case.seconds).sum();
    tag.push_attribute(("time", format!("{seconds:.3}").as_str()));
}

fn skipped(suite: &Suite) -> usize {
    suite
        .cases
        .iter()
        .filter(|case| matches!(case.outcome, Outcome::Skipped(_)))
        .count()
}
