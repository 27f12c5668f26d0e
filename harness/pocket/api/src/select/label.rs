//! Label selectors: `a`, `!a`, `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`,
//! `a>1`, `a<1`, joined by commas (apimachinery's `labels.Parse`).

use serde_json::Value;

use crate::status::StatusError;

/// Parsed requirements, all of which must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl LabelSelector {
    /// 400 with Kubernetes' wording for what does not parse.
    pub(crate) fn parse(text: &str) -> Result<Self, StatusError> {
        let tokens = tokens(text);
        let mut parser = Parser { tokens: &tokens };
        parser
            .requirements()
            .map(Self)
            .map_err(StatusError::bad_request)
    }

    pub(crate) fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// `labels` is the map of an object's labels, or null.
    pub(crate) fn matches(&self, labels: &Value) -> bool {
        self.0.iter().all(|requirement| requirement.matches(labels))
    }
}

impl Requirement {
    fn matches(&self, labels: &Value) -> bool {
        let value = labels.get(&self.key).and_then(Value::as_str);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(values) => {
                value.is_some_and(|value| values.iter().any(|other| other == value))
            }
            Test::NotIn(values) => {
                !value.is_some_and(|value| values.iter().any(|other| other == value))
            }
            Test::Above(limit) => number().is_some_and(|number| number > *limit),
            Test::Below(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

/// A word or a symbol.
type Token = String;

const SYMBOLS: &str = "=!(),<>";

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if SYMBOLS.contains(first) {
            if rest.starts_with("==") || rest.starts_with("!=") {
                2
            } else {
                1
            }
        } else {
            rest.find(|c: char| SYMBOLS.contains(c) || c.is_whitespace())
                .unwrap_or(rest.len())
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

fn is_symbol(token: &str) -> bool {
    token
        .chars()
        .next()
        .is_some_and(|first| SYMBOLS.contains(first))
}

struct Parser<'a> {
    tokens: &'a [Token],
}

impl Parser<'_> {
    fn next(&mut self) -> Option<String> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first.clone())
    }

    fn peek(&self) -> Option<&str> {
        self.tokens.first().map(String::as_str)
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>, String> {
        let mut list = Vec::new();
        while self.peek().is_some() {
            list.push(self.requirement()?);
            match self.next().as_deref() {
                None => break,
                Some(",") => match self.peek() {
                    Some(token) if !is_symbol(token) || token == "!" => {}
                    found => {
                        return Err(format!(
                            "found '{}', expected: identifier after ','",
                            found.unwrap_or_default()
                        ));
                    }
                },
                Some(found) => {
                    return Err(format!("found '{found}', expected: ',' or 'end of string'"));
                }
            }
        }
        Ok(list)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut negated = false;
        if self.peek() == Some("!") {
            self.next();
            negated = true;
        }
        let key = match self.next() {
            Some(word) if !is_symbol(&word) => word,
            found if negated => {
                return Err(format!(
                    "found '{}', expected: identifier",
                    found.unwrap_or_default()
                ));
            }
            found => {
                return Err(format!(
                    "found '{}', expected: !, identifier, or 'end of string'",
                    found.unwrap_or_default()
                ));
            }
        };
        check_key(&key)?;
        if negated {
            return Ok(Requirement {
                key,
                test: Test::Absent,
            });
        }
        let test = self.test()?;
        Ok(Requirement { key, test })
    }

    fn test(&mut self) -> Result<Test, String> {
        match self.peek() {
            None | Some(",") => return Ok(Test::Exists),
            _ => {}
        }
        let operator = self.next().unwrap_or_default();
        match operator.as_str() {
            "=" | "==" => Ok(Test::In(vec![self.exact_value()?])),
            "!=" => Ok(Test::NotIn(vec![self.exact_value()?])),
            "in" => Ok(Test::In(self.values()?)),
            "notin" => Ok(Test::NotIn(self.values()?)),
            ">" => Ok(Test::Above(self.number()?)),
            "<" => Ok(Test::Below(self.number()?)),
            found => Err(format!(
                "found '{found}', expected: in, notin, =, ==, !=, gt, lt"
            )),
        }
    }

    fn exact_value(&mut self) -> Result<String, String> {
        match self.peek() {
            None | Some(",") => return Ok(String::new()),
            _ => {}
        }
        match self.next() {
            Some(word) if !is_symbol(&word) => check_value(word),
            found => Err(format!(
                "found '{}', expected: identifier",
                found.unwrap_or_default()
            )),
        }
    }

    fn number(&mut self) -> Result<i64, String> {
        let word = self.exact_value()?;
        word.parse().map_err(|_| format!("values[0]: Invalid value: {word:?}: for 'Gt', 'Lt' operators, the value must be an integer"))
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.next().as_deref() {
            Some("(") => {}
            found => {
                return Err(format!(
                    "found '{}', expected: '('",
                    found.unwrap_or_default()
                ));
            }
        }
        let mut values = Vec::new();
        loop {
            match self.next().as_deref() {
                Some(")") => {
                    values.push(String::new());
                    return Ok(values);
                }
                Some(",") => values.push(String::new()),
                Some(word) if !is_symbol(word) => {
                    values.push(check_value(word.to_owned())?);
                    match self.next().as_deref() {
                        Some(")") => return Ok(values),
                        Some(",") => {}
                        found => {
                            return Err(format!(
                                "found '{}', expected: ',' or ')'",
                                found.unwrap_or_default()
                            ));
                        }
                    }
                }
                found => {
                    return Err(format!(
                        "found '{}', expected: ',', ')' or identifier",
                        found.unwrap_or_default()
                    ));
                }
            }
        }
    }
}

fn name_fault(text: &str) -> bool {
    let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.len() > 63
        || !alphanumeric(text.chars().next())
        || !alphanumeric(text.chars().last())
        || !text.chars().all(inner)
}

fn check_key(key: &str) -> Result<(), String> {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    if name_fault(name) {
        let why = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                   alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                   '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
        return Err(format!("key: Invalid value: {key:?}: {why}"));
    }
    Ok(())
}

fn check_value(value: String) -> Result<String, String> {
    if name_fault(&value) {
        let why = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
                   start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
                   for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
        return Err(format!("values[0]: Invalid value: {value:?}: {why}"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn matches(selector: &str, labels: &Value) -> bool {
        LabelSelector::parse(selector).unwrap().matches(labels)
    }

    #[test]
    fn each_operator_selects() {
        let labels = json!({ "app": "mysql", "n": "3" });
        for yes in [
            "",
            "app",
            "!x",
            "app=mysql",
            "app == mysql",
            "app!=x",
            "x!=y",
            "app in (a, mysql)",
            "app notin (a)",
            "n>2",
            "n<4",
            "app,n=3",
        ] {
            assert!(matches(yes, &labels), "{yes}");
        }
        for no in [
            "x",
            "!app",
            "app=x",
            "app!=mysql",
            "app in (a,b)",
            "app notin (mysql)",
            "n>3",
            "app,x",
        ] {
            assert!(!matches(no, &labels), "{no}");
        }
    }

    #[test]
    fn wrong_selectors_are_told_apart() {
        let error = |text| LabelSelector::parse(text).unwrap_err().message;
        assert_eq!(
            error("==="),
            "found '==', expected: !, identifier, or 'end of string'"
        );
        assert_eq!(error("a in b"), "found 'b', expected: '('");
        assert_eq!(
            error("a b"),
            "found 'b', expected: in, notin, =, ==, !=, gt, lt"
        );
        assert_eq!(error("a,"), "found '', expected: identifier after ','");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,40}") {
            let _ = LabelSelector::parse(&text);
        }

        #[test]
        fn equality_and_inequality_are_opposites(key in "[a-z]{1,3}", value in "[a-z]{1,3}", other in "[a-z]{1,3}") {
            let labels = json!({ key.clone(): other });
            prop_assert_ne!(matches(&format!("{key}={value}"), &labels), matches(&format!("{key}!={value}"), &labels));
        }
    }
}
