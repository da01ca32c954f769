use super::*;

const MINIMAL: &str = r#"
departments = ["tax"]
listen = "127.0.0.1:8080"
[chain]
validator = "tax"
"#;

fn parse(text: &str) -> Result<Config, ConfigFault> {
    Config::parse(text, Path::new("/gateway"))
}

/// The message for `MINIMAL` with one text replaced by another.
fn fault(from: &str, to: &str) -> String {
    let text = MINIMAL.replace(from, to);
    assert_ne!(text, MINIMAL);
    parse(&text).unwrap_err().to_string()
}

#[test]
fn the_template_means_what_the_defaults_mean() {
    let id = ["tax".parse().unwrap()];
    let listen = "127.0.0.1:8080".parse().unwrap();
    let written = template(&id, listen, &ChainRole::Validator("tax".parse().unwrap()));
    assert_eq!(parse(&written).unwrap(), parse(MINIMAL).unwrap());
    let follower = ChainRole::Follower("http://127.0.0.1:1".parse().unwrap());
    assert_eq!(parse(&template(&id, listen, &follower)).unwrap().chain, follower);
}

#[test]
fn every_setting_that_the_template_shows_exists_and_has_the_default_shown() {
    let id = ["tax".parse().unwrap()];
    let role = ChainRole::Validator("tax".parse().unwrap());
    let written = template(&id, "127.0.0.1:8080".parse().unwrap(), &role);
    // Lines of the form "# name = value" and "# [table]" are settings.
    let uncommented: String = written
        .lines()
        .map(|line| {
            let setting = line.strip_prefix("# ").filter(|rest| {
                let name = rest.split(" = ").next().unwrap_or_default();
                rest.starts_with('[')
                    || rest.contains(" = ")
                        && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            });
            format!("{}\n", setting.unwrap_or(line))
        })
        .collect();
    let config = parse(&uncommented).unwrap();
    let plain = parse(MINIMAL).unwrap();
    assert_eq!((config.production, config.prover, config.log), (false, plain.prover, plain.log));
    assert_eq!(config.metrics, Some("127.0.0.1:9464".parse().unwrap()));
    assert_eq!(config.tls.unwrap().key, Path::new("/gateway/tls/key.pem"));
    assert_eq!(config.authorities, [Path::new("/gateway/tls/authority.pem")]);
    let limits = crate::http::Limits::default();
    assert_eq!(config.limits.connections, Some(limits.connections));
    let per_address = config.limits.connections_per_address;
    assert_eq!(per_address, Some(limits.connections_per_address));
    assert_eq!(config.limits.requests, Some(limits.requests));
    assert_eq!(config.limits.body_bytes, Some(limits.body_bytes));
    assert_eq!(config.limits.header_seconds, Some(limits.header_time.as_secs()));
    assert_eq!(config.limits.body_seconds, Some(limits.body_time.as_secs()));
    assert_eq!(config.limits.request_seconds, Some(limits.request_time.as_secs()));
    assert_eq!(config.limits.stall_seconds, Some(limits.stall_time.as_secs()));
    assert_eq!(config.limits.drain_seconds, Some(limits.drain_time.as_secs()));
    assert_eq!(config.payloads.unfinished_bytes, Some(UNFINISHED_BYTES));
    assert!(config.payloads.unfinished_days.is_some());
    assert_eq!(config.payloads.retention(), PayloadRetention::default());
}

#[test]
fn a_typo_is_named_with_its_line() {
    let message = fault("listen", "listne");
    assert!(message.contains("line 3") && message.contains("listne"), "{message}");
    let message = fault("[chain]", "[prover]\nthread = 1\n[chain]");
    assert!(message.contains("line 5") && message.contains("thread"), "{message}");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    assert_eq!(fault("[\"tax\"]", "[]"), "departments: expected at least one");
    assert_eq!(fault("[\"tax\"]", "[\"tax\", \"tax\"]"), "departments: tax stands twice");
    let both = fault("validator = \"tax\"", "validator = \"tax\"\nfollow = \"http://a:1\"");
    assert_eq!(both, "[chain]: expected either `validator` or `follow`");
    assert_eq!(fault("validator = \"tax\"", ""), both);
    assert!(fault("validator = \"tax\"", "follow = \"a:1\"").starts_with("[chain] follow: "));
    let zero = fault("[chain]", "[limits]\nrequests = 0\n[chain]");
    assert_eq!(zero, "[limits] requests: expected at least 1");
    let zero = fault("[chain]", "[payloads]\nunfinished_bytes = 0\n[chain]");
    assert_eq!(zero, "[payloads] unfinished_bytes: expected at least 1");
}

#[test]
fn how_long_documents_are_kept_is_what_the_file_says() {
    let table = "[payloads]\nunfinished_bytes = 5\nunfinished_days = 1\nreceived_days = 2\n[chain]";
    let payloads = parse(&MINIMAL.replace("[chain]", table)).unwrap().payloads;
    let day = Duration::from_secs(24 * 60 * 60);
    let (received, sent) = (Some(2 * day), None);
    assert_eq!(payloads.retention(), PayloadRetention { unfinished: day, received, sent });
    assert_eq!(payloads.unfinished_bytes(), 5);
    assert_eq!(parse(MINIMAL).unwrap().payloads.unfinished_bytes(), UNFINISHED_BYTES);
}

#[test]
fn a_setting_of_the_whole_gateway_in_a_section_is_told_where_it_stands() {
    let told = parse(&format!("{MINIMAL}production = true\n")).unwrap_err().to_string();
    assert!(
        told.contains("production = true") && told.contains("above the first [section]"),
        "{told}"
    );
    let told = fault("validator", "validators");
    assert!(told.contains("validators") && !told.contains("above"), "{told}");
}
