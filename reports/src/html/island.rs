//! JSON that may stand inside a `script` element.

use serde::Serialize;

/// The value as JSON without any angle bracket or ampersand: nothing in it ends the element or begins
/// another (HTML, 4.12.1.3 "Restrictions for contents of script elements"). JSON has these characters only
/// within strings, where an escape means the same.
pub(super) fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(value)?;
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            other => out.push(other),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_comes_back_and_leaves_no_tag(text: String) {
            let text = format!("</script><!--{text}");
            let island = json(&text).unwrap();
            prop_assert!(!island.contains(['<', '>', '&']), "{island}");
            prop_assert_eq!(serde_json::from_str::<String>(&island).unwrap(), text);
        }
    }
}
