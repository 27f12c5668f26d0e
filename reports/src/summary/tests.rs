use proptest::prelude::*;

use super::*;
use crate::testing::{failed, inconclusive, interrupted, negative, positive, run, skipped};

#[test]
fn every_verdict() {
    let cases = vec![positive(), negative(), inconclusive(), failed(), skipped()];
    insta::assert_snapshot!(summary(&run(cases), COMMENT_LIMIT));
}

#[test]
fn a_run_that_did_not_finish() {
    insta::assert_snapshot!(summary(&interrupted(), COMMENT_LIMIT));
}

#[test]
fn what_has_no_room_is_counted_and_what_did_not_pass_comes_first() {
    let mut cases = vec![positive(); 2000];
    cases.extend(vec![failed(); 30]);
    let text = summary(&run(cases), 20_000);
    assert!(text.len() <= 20_000, "{}", text.len());
    assert_eq!(text.matches("| fail |").count(), 30, "{text}");
    assert!(text.contains("more that have no room here"), "{text}");
    assert!(text.ends_with("</details>\n"), "{text}");
}

#[test]
fn nobody_is_called_and_nothing_is_linked() {
    let mut case = failed();
    case.verdict.summary = "@octocat #1 https://example.com [a](b) `c` <img src=x> a|b".into();
    let text = summary(&run(vec![case]), COMMENT_LIMIT);
    for markup in ["@o", " #1", "https://", "[a]", "`c`", "<img", "a|b"] {
        assert!(!text.contains(markup), "{markup}: {text}");
    }
}

proptest! {
    #[test]
    fn any_text_keeps_the_table_and_the_limit(
        texts in proptest::collection::vec(any::<String>(), 4),
        limit in 0_usize..9000,
    ) {
        let mut cases = vec![failed(), inconclusive(), positive(), skipped()];
        for (case, text) in cases.iter_mut().zip(&texts) {
            case.name.clone_from(text);
            case.verdict.summary.clone_from(text);
        }
        let mut record = run(cases);
        record.scenarios[0].name.clone_from(&texts[0]);
        let text = summary(&record, limit);
        prop_assert!(text.len() <= limit.max(LEAST), "{} bytes", text.len());
        let tags = text.matches('<').count();
        prop_assert!(tags == text.matches("<details>").count() + text.matches("<summary>").count()
            + text.matches("</details>").count() + text.matches("</summary>").count());
        let rows = text.lines().filter(|line| line.starts_with('|'));
        for row in rows {
            prop_assert!(matches!(row.matches('|').count(), 3 | 6), "{row}");
        }
    }
}
