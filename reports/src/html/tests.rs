mod browser;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::testing::{failed, inconclusive, interrupted, negative, positive, run, skipped};

/// What stands between two texts.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = text.split_once(from).unwrap().1;
    rest.split_once(to).unwrap().0
}

fn index(text: &str) -> Value {
    let from = "<script type=\"application/json\" id=\"index\">";
    serde_json::from_str(between(text, from, "</script>")).unwrap()
}

/// The details of the first case.
fn first(text: &str) -> Value {
    let from = "<script type=\"application/jsonl\" id=\"details\">\n";
    let lines = between(text, from, "</script>");
    serde_json::from_str(lines.lines().next().unwrap()).unwrap()
}

#[test]
fn the_head_says_what_the_run_came_to() {
    let text = html(&interrupted()).unwrap();
    insta::assert_snapshot!(between(&text, "<body>\n", "<main>"));
}

#[test]
fn what_did_not_pass_comes_first() {
    let text = html(&run(vec![positive(), skipped(), inconclusive(), failed()])).unwrap();
    let index = index(&text);
    let verdicts: Vec<_> = index["cases"].as_array().unwrap().iter().collect();
    let verdicts: Vec<_> = verdicts.iter().map(|case| &case["verdict"]).collect();
    assert_eq!(verdicts, ["fail", "inconclusive", "skipped", "pass"]);
}

#[test]
fn a_case_shows_expected_observed_path_times_and_evidence() {
    let text = html(&run(vec![negative(), failed()])).unwrap();
    insta::assert_json_snapshot!(first(&text));
}

#[test]
fn the_policy_allows_what_stands_in_the_page_and_nothing_else() {
    let text = page(&run(vec![positive()]), &["1;"]).unwrap();
    let policy = between(&text, "Content-Security-Policy\" content=\"", "\">")
        .replace("&#x27;", "'")
        .replace("&#x2f;", "/");
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let script = between(&text, "</script>\n<script>", "</script>");
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; script-src {} {}; style-src {}; base-uri 'none'; form-action 'none'; \
             require-trusted-types-for 'script'",
            digest(script),
            digest("1;"),
            digest(between(&text, "<style>", "</style>")),
        )
    );
}

#[test]
fn nothing_is_fetched_and_no_string_becomes_markup() {
    let text = html(&run(vec![positive()])).unwrap();
    for fetching in [
        " src=", " href=", "url(", "@import", "fetch(", "XMLHttp", "import(",
    ] {
        assert!(!text.contains(fetching), "{fetching}");
    }
    for sink in [
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
        "srcdoc",
        "createContextualFragment",
        "DOMParser",
        "style=",
    ] {
        assert!(!SCRIPT.contains(sink), "{sink}");
    }
}

proptest! {
    #[test]
    fn any_text_leaves_no_new_tag_and_arrives_whole(texts in proptest::collection::vec(hostile(), 12)) {
        let benign = page_of(&vec!["x".to_owned(); 12]);
        let text = page_of(&texts);
        for markup in ['<', '>'] {
            prop_assert_eq!(text.matches(markup).count(), benign.matches(markup).count());
        }
        // Quotes end attributes: those of the template are all there are outside of JSON.
        let head = |text: &str| between(text, "<body>", "<main>").matches('"').count();
        prop_assert_eq!(head(&text), head(&benign));
        let row = &index(&text)["cases"][0];
        prop_assert_eq!(row["why"].as_str().unwrap(), crate::printable(&texts[1]));
        let evidence = first(&text)["evidence"].to_string();
        let line = serde_json::to_string(&crate::printable(texts[2].trim_end())).unwrap();
        prop_assert!(texts[2].trim_end().is_empty() || evidence.contains(line.trim_matches('"')), "{evidence}");
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let markup = "[<>/!&\"'`{}%=a-z -]{0,30}";
    let known = proptest::sample::select(vec![
        "</script><img src=x onerror=alert(1)>",
        "<!--<script>",
        "]]></style>",
        "{{ style }}{% endfor %}",
        "<!-- details -->",
        "\" onload=\"x",
    ]);
    prop_oneof![any::<String>(), markup, known.prop_map(str::to_owned)]
}

/// A page with a text in each place where text of others can stand.
fn page_of(texts: &[String]) -> String {
    let mut case = failed();
    case.name.clone_from(&texts[0]);
    case.verdict.summary.clone_from(&texts[1]);
    case.evidence.logs.values_mut().next().unwrap().lines = vec![texts[2].clone()];
    case.evidence
        .client
        .as_mut()
        .unwrap()
        .stderr
        .clone_from(&texts[3]);
    case.verdict.checks[1].detail.clone_from(&texts[4]);
    case.source.clone_from(&texts[5]);
    let mut record = interrupted();
    record.scenarios[0].cases = vec![case];
    record.scenarios[0].name.clone_from(&texts[6]);
    record.scenarios[0].labels = vec![texts[7].clone()];
    record.problems[0].message.clone_from(&texts[8]);
    record.run_id.clone_from(&texts[9]);
    record.phases[0].name.clone_from(&texts[10]);
    record.versions = [("envoy".to_owned(), texts[11].clone())].into();
    html(&record).unwrap()
}
