//! The compose file that users start from.

const FILE: &str = include_str!("../../../../docker-compose.yml");

/// What stands after `key` on each line that is no comment.
fn values(key: &str) -> Vec<&'static str> {
    let lines = FILE
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.strip_prefix(key))
        .map(str::trim)
        .collect()
}

#[test]
fn the_image_is_pinned_and_nothing_listens_on_the_network() {
    let images = values("image:");
    assert!(!images.is_empty());
    for image in images {
        let tag = image.strip_prefix("rabbitmq:4.").expect(image);
        let release = tag.strip_suffix("-management").expect(image);
        let numbers: Vec<_> = release.split('.').collect();
        assert!(
            numbers.len() == 2 && numbers.iter().all(|number| number.parse::<u8>().is_ok()),
            "{image}"
        );
    }
    let ports: Vec<_> = values("- \"")
        .into_iter()
        .filter(|port| port.contains(':'))
        .collect();
    assert!(ports.len() >= 2, "{ports:?}");
    for port in ports {
        assert!(port.starts_with("127.0.0.1:"), "{port}");
    }
    assert_eq!(
        values("test:"),
        [r#"["CMD", "rabbitmq-diagnostics", "-q", "ping"]"#]
    );
    assert!(FILE.contains("rabbitmq-data:/var/lib/rabbitmq"));
}

/// A node with an empty volume would not come up (`definitions`).
#[test]
fn nothing_is_imported_before_there_is_a_vhost() {
    assert!(!FILE.contains("definitions.import_backend") && !FILE.contains("load_definitions"));
    assert!(
        FILE.contains(
            "exec rabbitmq rabbitmqctl import_definitions /etc/rabbitmq/definitions.json"
        )
    );
}
