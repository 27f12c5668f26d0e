//! Whether labels match a selector, as the API server decides it. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

pub(super) type Labels = BTreeMap<String, String>;

/// Labels of one entry.
pub(super) fn labels(pairs: &[(&str, &str)]) -> Labels {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

/// An absent selector matches everything, as an empty one does.
pub(super) fn matches(selector: Option<&LabelSelector>, labels: &Labels) -> bool {
    let Some(selector) = selector else {
        return true;
    };
    let exact = selector.match_labels.iter().flatten();
    let mut exact = exact.map(|(key, value)| labels.get(key) == Some(value));
    let expressions = selector.match_expressions.iter().flatten();
    let mut expressions = expressions.map(|expression| {
        let value = labels.get(&expression.key);
        let among = || {
            let mut values = expression.values.iter().flatten();
            value.is_some_and(|value| values.any(|other| other == value))
        };
        match expression.operator.as_str() {
            "In" => among(),
            "NotIn" => !among(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            // The API server takes no others.
            _ => false,
        }
    });
    exact.all(|holds| holds) && expressions.all(|holds| holds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_operator() {
        let there = labels(&[("a", "1")]);
        let matches = |selector: serde_json::Value| {
            let selector: LabelSelector = serde_json::from_value(selector).unwrap();
            matches(Some(&selector), &there)
        };
        let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        assert!(matches(json!({})));
        assert!(matches(json!({"matchLabels": {"a": "1"}})));
        assert!(!matches(json!({"matchLabels": {"a": "1", "b": "2"}})));
        assert!(matches(expression("a", "In", &["0", "1"])));
        assert!(!matches(expression("b", "In", &["1"])));
        assert!(!matches(expression("a", "NotIn", &["1"])));
        assert!(matches(expression("b", "NotIn", &["1"])));
        assert!(matches(expression("a", "Exists", &[])));
        assert!(!matches(expression("b", "Exists", &[])));
        assert!(matches(expression("b", "DoesNotExist", &[])));
        assert!(!matches(expression("a", "DoesNotExist", &[])));
    }
}
