//! The page in a real browser: headless Chromium, where there is one. Otherwise the reason is printed; with
//! `MESHPROOF_CHROMIUM` set the browser must be there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use meshproof_record::Hop;

use super::*;

const NAMES: [&str; 4] = [
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
];

fn chromium() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("MESHPROOF_CHROMIUM") {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = NAMES.iter().find_map(|name| {
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|program| program.is_file())
    });
    if found.is_none() {
        eprintln!("skipped: none of {NAMES:?} is in PATH, and MESHPROOF_CHROMIUM is not set");
    }
    found
}

/// What the page of a record becomes in the browser once `script` has put its word into the title.
fn dump(browser: &Path, text: &str, width: u32, more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    fs::write(&file, text).unwrap();
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--dump-dom",
            "--timeout=20000",
        ])
        .args(more)
        .arg(format!("--window-size={width},800"))
        .arg(format!("--user-data-dir={}", folder.path().display()))
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn answer(dom: &str) -> Value {
    let title = between(dom, "<title>", "</title>")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    serde_json::from_str(&title).unwrap_or_else(|error| panic!("{error}: {title}"))
}

/// Records of 4,000 cases, with as much evidence as real ones have.
fn thousands() -> RunRecord {
    let line = "[2026-03-01T10:11:12.140Z] \"- - -\" 0 - - - \"-\" 297 438 25 - \"-\" \"-\" \"-\" \"-\" \
                \"10.1.0.4:15443\" outbound|15443|mysql|istio-egressgateway.istio-system.svc.cluster.local";
    let cases = (0..4000).map(|number| {
        let mut case = match number % 5 {
            0 => failed(),
            1 => inconclusive(),
            2 => negative(),
            _ => positive(),
        };
        case.name = format!("{}-{number}", case.name);
        let log = case.evidence.logs.values().next().cloned();
        for hop in [
            Hop::ClientSidecar,
            Hop::Egress,
            Hop::Ingress,
            Hop::ServerSidecar,
        ] {
            if let Some(mut log) = log.clone() {
                log.lines = vec![line.repeat(3)];
                case.evidence.logs.insert(hop, log);
            }
        }
        case
    });
    run(cases.collect())
}

/// Times of the page in milliseconds: from its first byte until the list stands and is laid out, until
/// everything is read, and of each filter with its layout.
const MEASURE: &str = r#"
addEventListener("load", () => {
  const { responseStart, domContentLoadedEventEnd } = performance.getEntriesByType("navigation")[0];
  const times = {
    listed: performance.getEntriesByName("listed")[0].startTime - responseStart,
    loaded: domContentLoadedEventEnd - responseStart,
  };
  const words = document.getElementById("words");
  const filter = (text) => {
    words.value = text;
    const begun = performance.now();
    words.dispatchEvent(new Event("input"));
    document.body.offsetHeight;
    return performance.now() - begun;
  };
  times.first = filter("refused 99");
  times.shown = document.getElementById("shown").textContent;
  times.none = filter("no such thing");
  times.all = filter("");
  times.back = document.getElementById("shown").textContent;
  document.title = JSON.stringify(times);
});
"#;

#[test]
fn four_thousand_cases_load_and_filter_without_lag() {
    let Some(browser) = chromium() else { return };
    let record = thousands();
    let begun = Instant::now();
    let text = page(&record, &[MEASURE]).unwrap();
    let made = begun.elapsed();
    let times = answer(&dump(&browser, &text, 1280, &[]));
    eprintln!(
        "{} bytes made in {made:?}; in the browser, ms: {times}",
        text.len()
    );
    let fits = |number: &usize| matches!(number % 5, 1 | 2) && number.to_string().contains("99");
    let fitting = (0..4000).filter(fits).count();
    assert_eq!(
        times["shown"],
        format!("{fitting} of 4000 cases"),
        "{times}"
    );
    assert_eq!(times["back"], "4000 cases", "{times}");
    for what in ["listed", "first", "none", "all"] {
        // Twice the measure: other programs run beside a test.
        assert!(times[what].as_f64().unwrap() < 400.0, "{what}: {times}");
    }
}

const USE: &str = r##"
addEventListener("load", async () => {
  const press = (key) => (document.activeElement ?? document.body)
    .dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const visible = () => [...document.querySelectorAll(".case .name")].map((name) => name.textContent);
  const refused = new Promise((done) => document.addEventListener("securitypolicyviolation",
    (event) => done(`${event.effectiveDirective}: ${event.blockedURI}`)));
  const seen = {};
  press("j");
  press("j");
  seen.second = document.activeElement.querySelector(".name").textContent;
  press("k");
  document.activeElement.click();
  while (!document.querySelector(".detail")) await new Promise((done) => setTimeout(done));
  const detail = document.querySelector(".detail");
  seen.why = detail.querySelector(".why").textContent;
  seen.hops = [...detail.querySelectorAll(".path g")].map((hop) => hop.getAttribute("class")).join(" ");
  detail.querySelector(".path .seen:nth-of-type(3)").dispatchEvent(new MouseEvent("click", { bubbles: true }));
  seen.opened = [...detail.querySelectorAll(".evidence[open]")].map((one) => one.dataset.hop);
  seen.tags = document.querySelectorAll("img, iframe, b").length;
  seen.wide = document.documentElement.scrollWidth <= innerWidth;
  press("Escape");
  seen.closed = document.querySelectorAll(".detail").length;
  press("/");
  seen.search = document.activeElement.id;
  document.querySelector("#verdicts button").click();
  seen.chip = visible();
  press("Escape");
  seen.cleared = visible().length;
  const hop = document.getElementById("hop");
  hop.value = [...hop.options].find((option) => option.text === "ingress").value;
  hop.dispatchEvent(new Event("change"));
  seen.byHop = visible();
  fetch("https://example.com/").catch(() => {});
  seen.refused = await refused;
  seen.width = innerWidth;
  document.title = JSON.stringify(seen);
});
"##;

#[test]
fn keys_filters_picture_and_hostile_text() {
    let Some(browser) = chromium() else { return };
    let mut hostile = failed();
    let bad = "</script><img src=x onerror=\"document.title='owned'\"><b>";
    hostile.verdict.summary = bad.to_owned();
    hostile.evidence.logs.values_mut().next().unwrap().lines = vec![bad.to_owned()];
    let mut first = positive();
    first.name = "first".to_owned();
    for width in [1280, 320] {
        let record = run(vec![first.clone(), negative(), hostile.clone()]);
        let text = page(&record, &[USE]).unwrap();
        // Without it the page is dumped once it is loaded, before what it does then is done.
        let patient = ["--virtual-time-budget=10000"];
        let mut seen = answer(&dump(&browser, &text, width, &patient));
        assert_eq!(seen["why"], bad, "{seen}");
        assert_eq!(seen["width"].take(), width, "{seen}");
        insta::allow_duplicates! { insta::assert_json_snapshot!(seen) }
    }
}
