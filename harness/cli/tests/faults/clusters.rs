//! Faults in what the clusters are given to run.

use meshproof_record::{Cause, Hop, Status};

use crate::bench::Bench;

#[test]
fn a_secret_that_never_existed_fails_the_case_at_the_ingress_gateway() {
    let secrets = "    secrets:\n      istio-system/mysql-credential: {certificate: application}\n";
    let bench = Bench::new().with(secrets, "");
    let Some(ended) = bench.run() else { return };
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let record = bench.record();
    let cases = &record.scenarios[0].cases;
    let positive = &cases[0].verdict;
    assert_eq!(positive.status, Status::Fail, "{positive:?}");
    let observed = positive.observed.unwrap();
    assert_eq!(
        (observed.hop, observed.cause),
        (Hop::Ingress, Cause::SecretMissing),
        "{}",
        positive.summary
    );
    let negatives = cases[1..].iter().map(|case| case.verdict.status);
    assert!(
        negatives
            .clone()
            .all(|status| status == Status::Inconclusive),
        "their control failed"
    );
    assert_eq!(record.problems, [], "the run itself came to its end");
    let junit = bench.junit();
    assert!(
        junit.contains(r#"failures="1""#) && junit.contains("secret-missing"),
        "{junit}"
    );
    assert!(ended.stdout.contains("secret-missing"), "{}", ended.stdout);
}

#[test]
fn an_unknown_image_is_named_with_the_known_ones() {
    let bench = Bench::new().with(r#"image: "mysql:5.6""#, r#"image: "nginx:1""#);
    let Some(ended) = bench.run() else { return };
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    let problem = &bench.record().problems[0];
    assert_eq!(problem.during, "start client pods");
    for part in [
        "default/mysql-client-1",
        "ErrImagePull",
        "nginx:1",
        "mysql, mariadb,",
        "busybox",
    ] {
        assert!(problem.message.contains(part), "{part}: {problem:?}");
    }
    let told = problem.message.matches("failed to pull").count();
    assert_eq!(told, 1, "{problem:?}");
    assert!(bench.junit().contains("nginx:1"), "{}", bench.junit());
}

#[test]
fn a_database_that_dies_is_told_with_its_last_lines() {
    let image = "        image: mysql:5.6\n";
    let args = format!("{image}        args: [\"--no-such-option\"]\n");
    let bench = Bench::new().with_fixture("mysql/mysql.yaml", image, &args);
    let Some(ended) = bench.run() else { return };
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    let record = bench.record();
    let problem = &record.problems[0];
    assert_eq!(problem.during, "start the database");
    for part in [
        "pod default/mysql-",
        "container mysql",
        "its last lines",
        "unknown option '--no-such-option'",
    ] {
        assert!(problem.message.contains(part), "{part}: {problem:?}");
    }
    let phase = |name: &str| record.phases.iter().find(|phase| phase.name == name);
    let run = phase("run").unwrap();
    assert!(
        run.duration_ms < 15_000.0,
        "a crash was waited out: {} ms",
        run.duration_ms
    );
    assert!(
        ended.stdout.contains("--no-such-option"),
        "{}",
        ended.stdout
    );
}
