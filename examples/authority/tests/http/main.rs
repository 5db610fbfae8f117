//! The server over sockets: the story of each call, what clients and proxies may do to it, and TLS.

mod client_proxy;
mod copies;
mod deployment;
mod device;
mod operator;
mod over_time;
mod recovery;
mod reverse_proxy;
mod strangers;
mod tls;

#[path = "../support/mod.rs"]
mod support;
