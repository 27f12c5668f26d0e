//! How connections spread over the places that endpoints are in.

use meshproof_mesh::{MeshConfig, ProxyConfig};
use serde_json::{Value, json};

use crate::build::{address, cluster, istio, pod, with_mesh};

fn placed(places: &[(&str, &str)], policy: Value) -> ProxyConfig {
    in_mesh("", places, policy)
}

fn in_mesh(mesh: &str, places: &[(&str, &str)], policy: Value) -> ProxyConfig {
    let endpoints: Vec<Value> = places
        .iter()
        .map(|(address, place)| json!({"address": address, "locality": place}))
        .collect();
    let spec = json!({"hosts": ["db.example.com"], "resolution": "STATIC", "endpoints": endpoints,
        "ports": [{"number": 3306, "name": "tcp", "protocol": "TCP"}]});
    let rule = json!({"host": "db.example.com", "trafficPolicy": policy});
    let mut me = pod("client", "default", "10.0.0.2");
    me["spec"]["nodeName"] = "n".into();
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels":
        {"topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": "eu-a"}}});
    let objects = vec![
        node,
        me,
        istio("ServiceEntry", "e", "default", spec),
        istio("DestinationRule", "r", "default", rule),
    ];
    with_mesh(mesh, "client", "default", objects)
}

/// Priority, weight and addresses of each group of endpoints.
fn groups(config: &ProxyConfig) -> Vec<String> {
    let found = config.endpoints.iter();
    let mut found = found.filter(|e| e["cluster_name"] == "outbound|3306||db.example.com");
    let groups = found.next().unwrap()["endpoints"].as_array().unwrap();
    let text = |g: &Value| {
        let hosts = g["lb_endpoints"].as_array().unwrap().iter();
        let addresses: Vec<String> = hosts.map(address).collect();
        let priority = g["priority"].as_u64().unwrap_or(0);
        format!(
            "{priority} {} {}",
            g["load_balancing_weight"],
            addresses.join(",")
        )
    };
    groups.iter().map(text).collect()
}

/// `applyLocalityFailover` in `pilot/pkg/networking/core/loadbalancer/loadbalancer.go`: where failures are seen the
/// nearest come first, without being asked for, and another region before the rest where a rule says so.
#[test]
fn the_nearest_come_first() {
    let places = [
        ("10.9.9.1", "us/us-a"),
        ("10.9.9.2", "eu/eu-b"),
        ("10.9.9.3", "eu/eu-a"),
        ("10.9.9.4", "ap/ap-a"),
    ];
    let sees = json!({"outlierDetection": {}});
    let want = [
        "2 1 10.9.9.4:3306",
        "0 1 10.9.9.3:3306",
        "1 1 10.9.9.2:3306",
        "2 1 10.9.9.1:3306",
    ];
    assert_eq!(groups(&placed(&places, sees)), want);
    let turns = json!({"outlierDetection": {},
        "loadBalancer": {"localityLbSetting": {"failover": [{"from": "eu", "to": "us"}]}}});
    let config = placed(&places, turns);
    let want = [
        "3 1 10.9.9.4:3306",
        "0 1 10.9.9.3:3306",
        "1 1 10.9.9.2:3306",
        "2 1 10.9.9.1:3306",
    ];
    assert_eq!(groups(&config), want);
    let found = cluster(&config, "outbound|3306||db.example.com");
    assert!(found["common_lb_config"]["locality_weighted_lb_config"].is_object());
    for policy in [
        json!({"tls": {"mode": "DISABLE"}}),
        json!({"outlierDetection": {}, "loadBalancer": {"localityLbSetting": {"enabled": false}}}),
    ] {
        let found = groups(&placed(&places, policy));
        assert!(found.iter().all(|g| g.starts_with("0 ")), "{found:?}");
    }
}

/// `applyLocalityWeights`: shares of places; those without one get nothing.
#[test]
fn shares_of_places() {
    let places = [
        ("10.9.9.1", "us/us-a"),
        ("10.9.9.2", "eu/eu-a"),
        ("10.9.9.3", "eu/eu-b"),
        ("10.9.9.4", "ap/ap-a"),
    ];
    let share = json!({"loadBalancer": {"localityLbSetting": {"distribute":
        [{"from": "eu/*", "to": {"eu/*": 75, "us/us-a/*": 25}}]}}});
    let want = [
        "0 38 10.9.9.2:3306",
        "0 38 10.9.9.3:3306",
        "0 25 10.9.9.1:3306",
    ];
    assert_eq!(groups(&placed(&places, share)), want);
}

/// `applyFailoverPriorities`: by labels, in their order.
#[test]
fn the_like_labelled_come_first() {
    let places = [
        ("10.9.9.1", "us/us-a"),
        ("10.9.9.2", "eu/eu-b"),
        ("10.9.9.3", "eu/eu-a"),
    ];
    let by = json!({"outlierDetection": {}, "loadBalancer": {"localityLbSetting": {"failoverPriority":
        ["topology.kubernetes.io/region=eu", "topology.kubernetes.io/zone=eu-b"]}}});
    let want = [
        "1 1 10.9.9.3:3306",
        "0 1 10.9.9.2:3306",
        "2 1 10.9.9.1:3306",
    ];
    assert_eq!(groups(&placed(&places, by)), want);
}

/// `GetEffectiveLbSetting`: the mesh's words hold where a rule has none of its own, and nothing of them where it has.
#[test]
fn the_mesh_spreads_where_no_rule_does() {
    let places = [
        ("10.9.9.1", "us/us-a"),
        ("10.9.9.2", "eu/eu-a"),
        ("10.9.9.3", "ap/ap-a"),
    ];
    let shares = "localityLbSetting: {distribute: [{from: 'eu/*', to: {'eu/*': 80, 'us/*': 20}}]}";
    let plain = json!({"tls": {"mode": "DISABLE"}});
    let config = in_mesh(shares, &places, plain.clone());
    let want = ["0 80 10.9.9.2:3306", "0 20 10.9.9.1:3306"];
    assert_eq!(groups(&config), want);
    let found = cluster(&config, "outbound|3306||db.example.com");
    assert!(found["common_lb_config"]["locality_weighted_lb_config"].is_object());
    let own = json!({"loadBalancer": {"localityLbSetting": {"enabled": true}}});
    assert_eq!(groups(&in_mesh(shares, &places, own)).len(), 3);

    let labels = "localityLbSetting: {failoverPriority: [topology.kubernetes.io/region]}";
    let found = groups(&in_mesh(labels, &places, json!({"outlierDetection": {}})));
    assert_eq!(
        found,
        [
            "1 1 10.9.9.3:3306",
            "0 1 10.9.9.2:3306",
            "1 1 10.9.9.1:3306"
        ]
    );
    let off = "localityLbSetting: {enabled: false}";
    let found = groups(&in_mesh(off, &places, json!({"outlierDetection": {}})));
    assert!(found.iter().all(|g| g.starts_with("0 ")), "{found:?}");
}

#[test]
fn shares_of_the_mesh_are_judged() {
    let text = "localityLbSetting: {distribute: [{from: eu, to: {eu: 90}}]}";
    let error = MeshConfig::from_yaml(text).unwrap_err().to_string();
    assert_eq!(
        error,
        "mesh configuration: localityLbSetting: total locality weight 90 != 100"
    );
}
