//! Settings that lead through a proxy that fails on demand.

use algedonic_amqp::AmqpConfig;
use algedonic_test_broker::{End, Proxy, shared_url, unique};

/// Settings that reach the shared broker through a proxy.
pub(crate) async fn behind_a_proxy() -> (AmqpConfig, Proxy) {
    let url = crate::support::blocking(shared_url).await;
    let proxy = Proxy::before(&url).await.expect("a port");
    let config = AmqpConfig::new(&proxy.rewrite(&url)).expect("valid URL");
    (config.prefix(unique("it")), proxy)
}

/// Ends all connections, and refuses new ones.
pub(crate) async fn cut(proxy: &Proxy) {
    proxy.refuse().await;
    proxy.end(End::Close);
}
